"""The chart of deploy/chart as Helm renders it, and what of it can be compared with kustomize's output."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import helm_python
import yaml

from tests.deploy.manifests import DEPLOY, Manifest, configuration, overlay

CHART = DEPLOY / "chart"

#: What the chart is given to be the same installation as an overlay, beside the overlay's own configuration.
VALUES: dict[str, dict[str, Any]] = {
    "report-only": {},
    "active-directory": {},
    "entra-workload-identity": {
        "workloadIdentity": {"enabled": True},
        "networkPolicy": {"ldap": {"enabled": False}},
        "serviceAccount": {"annotations": {"azure.workload.identity/client-id": "00000000-0000-0000-0000-000000000000"}},
    },
    "highly-available": {"leadership": {"enabled": True}, "postgresql": {"enabled": True}},
}

#: Labels and annotations that only one of the two writes, and which select nothing.
_HELM_ONLY = {
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
    "helm.sh/resource-policy",
    "checksum/config",
    "app.kubernetes.io/part-of",
}


def rendered_chart(values: Mapping[str, Any], name: str = "syncd", namespace: str = "syncd") -> list[Manifest]:
    """Every object of a release, hooks left out. Raises helm_python's errors."""
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(dict(values))
        files = chart.render(values=dict(values), name=name, namespace=namespace)
    objects = [
        each
        for file, text in files.items()
        if file.endswith(".yaml")
        for each in yaml.safe_load_all(text)
        if isinstance(each, dict)
    ]
    return [each for each in objects if "helm.sh/hook" not in each["metadata"].get("annotations", {})]


def as_overlay(name: str, *, maintenance: bool = False) -> list[Manifest]:
    """The chart with the values that make an overlay's installation, or that one under maintenance."""
    image = {"repository": "registry.example/syncd", "tag": "0.2.0"}
    return rendered_chart(
        {"image": image, "config": yaml.safe_load(configuration(overlay(name))), **VALUES[name], "maintenance": maintenance}
    )


def comparable(manifests: Iterable[Manifest]) -> dict[str, Manifest]:
    """By kind and name, without what names the tool: its labels, the hash in the name of the ConfigMap (a checksum of Helm's),
    orders that mean nothing, and the Namespace, which Helm is given."""
    result = {}
    for manifest in copy.deepcopy(list(manifests)):
        if manifest["kind"] == "Namespace":
            continue
        _clean(manifest)
        if manifest["kind"] == "ConfigMap":
            manifest["data"]["syncd.yaml"] = yaml.safe_load(manifest["data"]["syncd.yaml"])
        result[f"{manifest['kind']}/{manifest['metadata']['name']}"] = manifest
    return result


def _clean(value: Any) -> None:
    if isinstance(value, list):
        for item in value:
            _clean(item)
        if value and all(isinstance(item, dict) and "name" in item for item in value):
            value.sort(key=lambda item: (item["name"], item.get("mountPath", "")))
    if not isinstance(value, dict):
        return
    for key in ("labels", "annotations", "matchLabels", "selector"):
        if not all(isinstance(text, str) for text in value.get(key, {}).values()):
            continue
        kept = {name: text for name, text in value.get(key, {}).items() if name not in _HELM_ONLY}
        if key in value:
            value[key] = kept
        if key in value and not kept:
            del value[key]
    if str(value.get("name")).startswith("syncd-config-"):
        value["name"] = "syncd-config"
    value.pop("imagePullPolicy", None)
    for item in value.values():
        _clean(item)

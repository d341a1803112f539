"""The manifests of deploy/ as Kubernetes gets them: rendered by kustomize."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
OVERLAYS = ("report-only", "active-directory", "entra-workload-identity", "highly-available")

Manifest = dict[str, Any]


def demand_kubectl() -> None:
    """Skips where it is missing; in CI that is a failure."""
    if shutil.which("kubectl") is not None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail("no kubectl")
    pytest.skip("no kubectl (1.25 or later: its kustomize renders the manifests)")


@functools.cache
def _text(folder: str) -> str:
    ran = subprocess.run(["kubectl", "kustomize", DEPLOY / folder], capture_output=True, text=True, timeout=60, check=False)
    assert (0, "") == (ran.returncode, ran.stderr), ran.stderr
    return ran.stdout


def rendered(folder: str) -> list[Manifest]:
    """Every object of a kustomization, such as ``overlays/report-only``. Fails on errors and on warnings."""
    demand_kubectl()
    return list(yaml.safe_load_all(_text(folder)))


def overlay(name: str) -> list[Manifest]:
    """Every object of an overlay."""
    return rendered(f"overlays/{name}")


def one(manifests: list[Manifest], kind: str, name: str = "syncd") -> Manifest:
    """The only object of a kind whose name is *name* or begins with it (generated names carry a hash)."""
    (found,) = (
        each
        for each in manifests
        if each["kind"] == kind
        and (each["metadata"]["name"] == name or re.fullmatch(f"{name}-config(-.*)?", each["metadata"]["name"]))
    )
    return found


def pod_templates(manifests: list[Manifest]) -> list[Manifest]:
    """The pod templates of everything that makes pods."""
    return [
        each["spec"]["template"] if each["kind"] == "Deployment" else each["spec"]["jobTemplate"]["spec"]["template"]
        for each in manifests
        if each["kind"] in ("Deployment", "CronJob")
    ]


def containers(template: Manifest) -> list[Manifest]:
    """All containers of a pod template, those that run first included."""
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]


def configuration(manifests: list[Manifest]) -> str:
    """The text of syncd.yaml."""
    text: str = one(manifests, "ConfigMap")["data"]["syncd.yaml"]
    return text

"""The manifests on paper: rendered, strict schemas of many Kubernetes versions, the restricted profile, least rights."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from syncd.config import load
from syncd.operations.daemon import FINISH_SECONDS
from tests.deploy.manifests import (
    DEPLOY,
    OVERLAYS,
    ROOT,
    Manifest,
    configuration,
    containers,
    one,
    overlay,
    pod_templates,
    rendered,
)

#: From the oldest that people still run to the newest that the schemas know.
VERSIONS = ("1.25", "1.27", "1.29", "1.31", "1.33", "1.35", "1.37")

CUSTOM = {"ServiceMonitor", "PrometheusRule"}

#: What each overlay is: mode, replicas, kind of directory.
KINDS = {
    "report-only": ("report", 1, "active_directory"),
    "active-directory": ("enforce", 1, "active_directory"),
    "entra-workload-identity": ("enforce", 1, "entra"),
    "highly-available": ("enforce", 2, "active_directory"),
}


def daemon(name: str) -> Manifest:
    """The Deployment of an overlay."""
    return one(overlay(name), "Deployment")


def ports(policy: Manifest, way: str) -> set[tuple[str, int]]:
    """Protocols and ports a NetworkPolicy lets through."""
    return {(port["protocol"], port["port"]) for rule in policy["spec"].get(way, []) for port in rule["ports"]}


# --------------------------------------------------------------------------------------------------------------- schemas


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", ["base", "monitoring", *(f"overlays/{name}" for name in OVERLAYS)])
def test_every_object_fits_the_strict_schema_of_the_version(folder: str, version: str) -> None:
    """No unknown key, no wrong type. The operator's kinds are judged by a real API server in their own test."""
    for manifest in rendered(folder):
        if manifest["kind"] not in CUSTOM:
            kubernetes_validate.validate(manifest, version, strict=True)


def test_the_schemas_would_catch_a_typo() -> None:
    """A check that accepts everything is none."""
    broken = yaml.safe_load(yaml.safe_dump(daemon("report-only")))
    broken["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[-1], strict=True)


# --------------------------------------------------------------------------------------------------------- configuration


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_configuration_of_an_overlay_is_right(name: str, tmp_path: Path) -> None:
    """As `syncd check --offline` will judge it, but for the secrets; and it is what the overlay's name says."""
    file = tmp_path / "syncd.yaml"
    file.write_text(configuration(overlay(name)), encoding="utf-8")

    config = load(file, {}, check_files=False)

    mode, replicas, directory = KINDS[name]
    assert (mode, replicas) == (config.mode, daemon(name)["spec"]["replicas"])
    assert getattr(config.directory, directory) is not None
    assert "[::]:9464" == config.http.listen
    assert (replicas > 1) == (config.leadership.lease is not None)
    assert (replicas > 1) == (config.ledger.url_secret is not None)


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_changed_configuration_is_a_new_roll_out(name: str) -> None:
    """The ConfigMap's name carries a hash of its content, and everything that mounts it uses that name."""
    manifests = overlay(name)
    config_map = one(manifests, "ConfigMap")["metadata"]["name"]
    mounted = {
        volume["configMap"]["name"]
        for template in pod_templates(manifests)
        for volume in template["spec"]["volumes"]
        if "configMap" in volume
    }

    assert re.fullmatch(r"syncd-config-[a-z0-9]{10}", config_map)
    assert {config_map} == mounted


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_file_the_configuration_names_is_mounted(name: str) -> None:
    """Secrets below the Secret's mount, tokens below theirs, what is written below the volume."""
    spec = daemon(name)["spec"]["template"]["spec"]
    text = configuration(overlay(name))
    for container in containers(daemon(name)["spec"]["template"]):
        mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
        named = re.findall(r"(?m)^[^#\n]*?_file: (/\S+?)[}\s]", text + "\n") + re.findall(r"directory: (/\S+)", text)
        assert named
        assert [] == [path for path in named if not any(path.startswith(mount + "/") for mount in mounts)]
    # A ledger that is not said is a file on the volume.
    assert ("ledger:" in text) != any(volume["name"] == "state" for volume in spec["volumes"])


def test_no_secret_is_in_the_manifests() -> None:
    """Secrets are made by hand or by an operator for secrets; nothing here holds one."""
    for folder in ("base", "monitoring", *(f"overlays/{name}" for name in OVERLAYS)):
        assert [] == [each for each in rendered(folder) if each["kind"] == "Secret"]


# ---------------------------------------------------------------------------------------------------- pods and their rights


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_pod_keeps_to_the_restricted_profile(name: str) -> None:
    """Kubernetes' Pod Security Standards, "restricted", and a read-only root on top."""
    for template in pod_templates(overlay(name)):
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] > 0
        assert "RuntimeDefault" == spec["securityContext"]["seccompProfile"]["type"]
        assert [] == [key for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]
        for volume in spec["volumes"]:
            assert set(volume) - {"name"} <= {"configMap", "secret", "emptyDir", "persistentVolumeClaim", "projected"}
        for container in containers(template):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert {"drop": ["ALL"]} == context["capabilities"]
            assert not context.get("privileged")
            assert [] == [port for port in container.get("ports", []) if "hostPort" in port]


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_namespace_enforces_the_restricted_profile(name: str) -> None:
    """Whoever adds a pod there keeps to it as well."""
    labels = one(overlay(name), "Namespace")["metadata"]["labels"]

    assert {"restricted"} == {labels[f"pod-security.kubernetes.io/{what}"] for what in ("enforce", "warn", "audit")}


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_container_says_what_it_needs(name: str) -> None:
    """Requests for the scheduler, a limit of memory against surprises."""
    for template in pod_templates(overlay(name)):
        for container in containers(template):
            assert {"cpu", "memory"} == set(container["resources"]["requests"])
            assert "memory" in container["resources"]["limits"]


def test_only_a_leader_by_lease_may_ask_the_api_server() -> None:
    """Everywhere else there is neither a token nor a role."""
    for name in OVERLAYS:
        manifests = overlay(name)
        several = KINDS[name][1] > 1
        assert several == one(manifests, "Deployment")["spec"]["template"]["spec"]["automountServiceAccountToken"]
        assert several == any(each["kind"] in ("Role", "RoleBinding", "Lease") for each in manifests)
        assert one(manifests, "ServiceAccount")["automountServiceAccountToken"] is False
        assert (
            one(manifests, "CronJob", "syncd-evidence")["spec"]["jobTemplate"]["spec"]["template"]["spec"][
                "automountServiceAccountToken"
            ]
            is False
        )
        assert [] == [each["kind"] for each in manifests if each["kind"].startswith("Cluster")]


def test_the_only_right_is_to_look_at_and_write_one_lease() -> None:
    """The Lease comes with the manifests, so nothing may be created."""
    manifests = overlay("highly-available")
    lease = yaml.safe_load(configuration(manifests))["leadership"]["lease"]

    assert [
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": [lease["name"]],
            "verbs": ["get", "update"],
        }
    ] == one(manifests, "Role")["rules"]
    assert (lease["name"], lease["namespace"]) == tuple(one(manifests, "Lease")["metadata"][key] for key in ("name", "namespace"))
    assert [{"kind": "ServiceAccount", "name": "syncd", "namespace": "syncd"}] == one(manifests, "RoleBinding")["subjects"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_only_what_is_needed_goes_over_the_network(name: str) -> None:
    """Metrics in; names, HTTPS and what the overlay needs out; never the cloud's metadata service."""
    policy = one(overlay(name), "NetworkPolicy")
    dns = {("UDP", 53), ("TCP", 53)}
    more = {"entra-workload-identity": set(), "highly-available": {("TCP", 636), ("TCP", 5432), ("TCP", 6443)}}

    assert {("TCP", 9464)} == ports(policy, "ingress")
    assert dns | {("TCP", 443)} | more.get(name, {("TCP", 636)}) == ports(policy, "egress")
    assert all(rule["from"] for rule in policy["spec"]["ingress"])
    assert all(
        "169.254.0.0/16" in place["ipBlock"]["except"]
        for rule in policy["spec"]["egress"]
        for place in rule["to"]
        if "ipBlock" in place and ":" not in place["ipBlock"]["cidr"]
    )


@pytest.mark.parametrize("name", OVERLAYS)
def test_every_pod_is_covered_by_a_network_policy_that_closes_both_ways(name: str) -> None:
    """What no policy selects may talk to anybody."""
    manifests = overlay(name)
    policies = [each["spec"] for each in manifests if each["kind"] == "NetworkPolicy"]
    for template in pod_templates(manifests):
        labels = template["metadata"]["labels"].items()
        covering = [policy for policy in policies if policy["podSelector"]["matchLabels"].items() <= labels]
        assert [["Ingress", "Egress"]] == [policy["policyTypes"] for policy in covering]


# ------------------------------------------------------------------------------------------------------------ staying alive


@pytest.mark.parametrize("name", OVERLAYS)
def test_probes_ask_what_they_should(name: str) -> None:
    """Ready by /readyz, alive by /healthz from the start (a database that is late is no reason to be killed); an end in time for
    the write in hand."""
    spec = daemon(name)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    port = {each["name"]: each["containerPort"] for each in container["ports"]}

    assert ["/healthz", "/readyz", "/healthz"] == [
        container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")
    ]
    assert {9464} == {port[container[probe]["httpGet"]["port"]] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert spec["terminationGracePeriodSeconds"] > FINISH_SECONDS + 10


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_configuration_is_checked_before_the_daemon_starts(name: str) -> None:
    """With the same image, environment and mounts."""
    spec = daemon(name)["spec"]["template"]["spec"]
    (check,), (syncd,) = spec["initContainers"], spec["containers"]

    assert (["check", "--offline"], ["run"]) == (check["args"], syncd["args"])
    assert [syncd[key] for key in ("image", "env", "volumeMounts")] == [check[key] for key in ("image", "env", "volumeMounts")]


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_drained_node_takes_no_more_than_it_must(name: str) -> None:
    """One replica may go at any time; of two, one stays. Replicas spread over hosts and zones."""
    manifests = overlay(name)
    budget = one(manifests, "PodDisruptionBudget")["spec"]
    spread = {
        each["topologyKey"]: each["whenUnsatisfiable"]
        for each in daemon(name)["spec"]["template"]["spec"]["topologySpreadConstraints"]
    }
    several = KINDS[name][1] > 1

    assert ({"minAvailable": 1} if several else {"maxUnavailable": 1}).items() <= budget.items()
    assert len(budget) == 2
    assert {
        "kubernetes.io/hostname": "DoNotSchedule" if several else "ScheduleAnyway",
        "topology.kubernetes.io/zone": "ScheduleAnyway",
    } == spread
    assert ("RollingUpdate" if several else "Recreate") == daemon(name)["spec"]["strategy"]["type"]


@pytest.mark.parametrize("name", OVERLAYS)
def test_selectors_meet_the_pods_they_are_meant_for(name: str) -> None:
    """Deployment, Service, budget and spread select the daemon's pods, and not the report's."""
    manifests = overlay(name)
    daemon_labels, evidence_labels = (template["metadata"]["labels"] for template in pod_templates(manifests))
    selectors: list[dict[str, Any]] = [
        one(manifests, "Deployment")["spec"]["selector"]["matchLabels"],
        one(manifests, "Service")["spec"]["selector"],
        one(manifests, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"] for each in daemon(name)["spec"]["template"]["spec"]["topologySpreadConstraints"]),
    ]

    assert [] == [each for each in selectors if not each.items() <= daemon_labels.items()]
    assert [] == [each for each in selectors if each.items() <= evidence_labels.items()]
    monitor = one(rendered("monitoring"), "ServiceMonitor")["spec"]
    assert monitor["selector"]["matchLabels"].items() <= one(manifests, "Service")["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] in {port["name"] for port in one(manifests, "Service")["spec"]["ports"]}


# -------------------------------------------------------------------------------------------------------- monthly evidence


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_monthly_report_sees_no_credential_of_zoom_or_the_directory(name: str) -> None:
    """The ledger is all it needs; its address too where that is a secret."""
    template = one(overlay(name), "CronJob", "syncd-evidence")["spec"]["jobTemplate"]["spec"]["template"]
    secrets = [volume["secret"] for volume in template["spec"]["volumes"] if "secret" in volume]

    assert ([["ledger-url", "ledger-ca.pem"]] if name == "highly-available" else []) == [
        [item["key"] for item in secret["items"]] for secret in secrets
    ]
    assert (name != "highly-available") == ("affinity" in template["spec"])


def test_the_monthly_report_asks_for_the_month_before(tmp_path: Path) -> None:
    """Its few lines of Python run, with syncd replaced by something that takes down how it was called."""
    (container,) = one(overlay("report-only"), "CronJob", "syncd-evidence")["spec"]["jobTemplate"]["spec"]["template"]["spec"][
        "containers"
    ]
    told = tmp_path / "told"
    stand_in = tmp_path / "syncd"
    stand_in.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{told}\n', encoding="utf-8")
    stand_in.chmod(0o755)
    code = container["args"][0].replace("/opt/syncd/bin/syncd", str(stand_in)).replace("/var/lib/syncd", str(tmp_path))
    for today, first, last in (("2026, 1, 2", "2025-12-01", "2025-12-31"), ("2028, 3, 2", "2028-02-01", "2028-02-29")):
        fixed = (
            "import datetime\nclass At(datetime.datetime):\n    @classmethod\n"
            f"    def now(cls, tz): return cls({today}, tzinfo=tz)\n"
        )
        run = fixed + code.replace("datetime.datetime.now", "At.now")
        subprocess.run(["python3", "-I", "-c", run], check=True, timeout=30)
        words = told.read_text(encoding="utf-8").split()
        assert [
            "report",
            "--from",
            first,
            "--to",
            last,
            "--format",
            "html",
            "--out",
            str(tmp_path / "evidence" / f"{first[:7]}.html"),
        ] == words
    assert ["/opt/syncd/bin/python", "-I", "-c"] == container["command"]


# ------------------------------------------------------------------------------------------------------------- the README


def test_every_command_of_the_readme_names_what_exists() -> None:
    """Folders after -k, and every overlay with the secrets it needs."""
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")
    folders = set(re.findall(r"-k (deploy/[\w/-]+)", text))

    assert [] == [folder for folder in folders if not (ROOT / folder / "kustomization.yaml").is_file()]
    for name in OVERLAYS:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}` |"))
        keys = set(re.findall(r"/run/secrets/syncd/([\w.-]+)", configuration(overlay(name))))
        assert keys == set(re.findall(r"`([\w.-]+)`", row.split("|")[3])), name

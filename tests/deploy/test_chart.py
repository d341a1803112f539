"""The Helm chart, rendered and linted by Helm's own library: the same installation as kustomize's, hardened alike, and told in
words when values do not fit together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

from syncd import __version__
from syncd.config import load
from tests.deploy.chart_readme import README, renewed
from tests.deploy.charts import CHART, VALUES, as_overlay, comparable, rendered_chart
from tests.deploy.manifests import DEPLOY, OVERLAYS, configuration, containers, one, overlay, pod_templates

SMALL: dict[str, Any] = {
    "config": {
        "mode": "report",
        "directory": {"file": {"path": "/etc/syncd/people.csv"}},
        "zoom": {"account_id": "a", "client_id": "b", "client_secret_file": "/run/secrets/syncd/zoom-secret"},
        "scope": {"domains": ["corp.example"]},
    }
}


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_chart_makes_what_kustomize_makes(name: str) -> None:
    """Object by object, key by key."""
    by_chart, by_kustomize = comparable(as_overlay(name)), comparable(overlay(name))

    assert by_kustomize.keys() == by_chart.keys()
    for key, manifest in by_kustomize.items():
        assert manifest == by_chart[key], key


def test_helm_finds_nothing_to_complain_of() -> None:
    """`helm lint`, but for the missing picture."""
    found = helm_python.lint(str(CHART), values=SMALL)

    assert [] == found["errors"]
    assert [] == [each for each in found["messages"] if "icon" not in each["error"]]


EVERYTHING: dict[str, Any] = SMALL | {
    "backup": {"enabled": True, "existingClaim": "elsewhere"},
    "image": {"repository": "r.example/s", "digest": "sha256:" + "a" * 64, "pullSecrets": [{"name": "pull"}]},
    "monitoring": {"serviceMonitor": {"enabled": True, "labels": {"release": "stack"}}},
    "networkPolicy": {"proxy": {"ports": [3128], "cidrs": ["10.0.0.0/8"]}, "extraEgress": [{"ports": [{"port": 1}]}]},
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
    "priorityClassName": "high",
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "x", "operator": "Exists"}],
    "podLabels": {"team": "it"},
    "podAnnotations": {"note": "x"},
    "affinity": {"nodeAffinity": {}},
    "commonLabels": {"cost": "it"},
    "extraArgs": ["--wait"],
    "extraVolumes": [{"name": "people", "configMap": {"name": "people"}}],
    "extraVolumeMounts": [{"name": "people", "mountPath": "/people"}],
    "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"}}],
}

#: The job that moves the ledger from its volume into PostgreSQL; it is run in tests/acceptance/test_restore_drill.py.
MOVING: dict[str, Any] = {"maintenance": True, "moveLedger": {"enabled": True}, "postgresql": {"enabled": True}}


@pytest.mark.parametrize("version", ["1.25", "1.32", "1.36"])
@pytest.mark.parametrize(
    "values",
    [SMALL, EVERYTHING, SMALL | VALUES["highly-available"], SMALL | MOVING],
    ids=["small", "everything", "two", "moving"],
)
def test_every_object_of_a_release_fits_the_strict_schema(values: dict[str, Any], version: str) -> None:
    """No unknown key, no wrong type."""
    manifests = rendered_chart(values, "corp", "it")

    assert manifests
    for manifest in manifests:
        if manifest["kind"] not in ("ServiceMonitor", "PrometheusRule"):
            kubernetes_validate.validate(manifest, version, strict=True)


def test_every_pod_of_a_release_keeps_to_the_restricted_profile() -> None:
    """Jobs too, whatever is switched on."""
    moving = one(rendered_chart(EVERYTHING | MOVING), "Job", "syncd-move-ledger")["spec"]["template"]
    for template in [*pod_templates(rendered_chart(EVERYTHING)), moving]:
        assert template["spec"]["securityContext"]["runAsNonRoot"] is True
        assert "RuntimeDefault" == template["spec"]["securityContext"]["seccompProfile"]["type"]
        assert [{"name": "pull"}] == template["spec"]["imagePullSecrets"]
        for container in containers(template):
            assert {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            } == container["securityContext"]
            assert "r.example/s@sha256:" + "a" * 64 == container["image"]


def test_every_pod_of_a_release_runs_where_its_pods_may() -> None:
    """Jobs too, and the check before an upgrade: on nodes kept for such work they would wait for ever otherwise."""
    values = EVERYTHING | VALUES["highly-available"]
    with helm_python.Chart.load(CHART) as chart:
        files = chart.render(values=values, name="syncd", namespace="syncd")
    objects = [each for file, text in files.items() if file.endswith(".yaml") for each in yaml.safe_load_all(text) if each]
    pods = [*pod_templates(objects), *(each["spec"]["template"] for each in objects if each["kind"] == "Job")]

    assert 4 == len(pods)
    for pod in pods:
        assert ({"disk": "fast"}, [{"key": "x", "operator": "Exists"}], "high") == tuple(
            pod["spec"].get(key) for key in ("nodeSelector", "tolerations", "priorityClassName")
        )


def test_jobs_reach_a_database_whose_authority_is_the_company_s_own() -> None:
    """What the ledger's address names lies where it lies for the daemon; nothing else of the Secret does. A missing key is no
    pod that never starts: public authorities need no file."""
    postgresql = {"enabled": True, "certificateKeys": ["pg-ca.pem", "pg-client.pem", "pg-client.key"]}
    values = EVERYTHING | VALUES["highly-available"] | {"postgresql": postgresql}
    jobs = [each for each in rendered_chart(values) if each["kind"] == "CronJob"]

    assert 2 == len(jobs)
    for job in jobs:
        pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        (secret,) = (volume["secret"] for volume in pod["volumes"] if "secret" in volume)
        assert ["ledger-url", "pg-ca.pem", "pg-client.pem", "pg-client.key"] == [item["key"] for item in secret["items"]]
        assert secret["optional"] is True


def test_replicas_with_a_volume_for_many_keep_their_reports() -> None:
    """ReadWriteMany: the leader files reports wherever it runs, and no job has to run beside it; otherwise the volume is the
    jobs' alone."""

    def mounts(modes: list[str]) -> tuple[bool, bool]:
        made = rendered_chart(SMALL | VALUES["highly-available"] | {"persistence": {"accessModes": modes}})
        daemon, job = one(made, "Deployment")["spec"]["template"]["spec"], one(made, "CronJob", "syncd-evidence")
        return (
            "/var/lib/syncd" in [each["mountPath"] for each in daemon["containers"][0]["volumeMounts"]],
            "affinity" in job["spec"]["jobTemplate"]["spec"]["template"]["spec"],
        )

    assert [(True, False), (False, False)] == [mounts(["ReadWriteMany"]), mounts(["ReadWriteOnce"])]


def test_under_maintenance_a_pod_waits_where_the_daemon_ran() -> None:
    """One, whatever the replicas, after the daemon ended; with its volumes, its secrets, its rights and the place of the copies;
    asked by no probe; and it ends when it is told to."""
    values = EVERYTHING | VALUES["highly-available"]
    running, waiting = (one(rendered_chart(values | more), "Deployment")["spec"] for more in ({}, {"maintenance": True}))
    (before,), (after,) = (each["template"]["spec"]["containers"] for each in (running, waiting))
    pod = {**waiting["template"]["spec"]}

    assert (1, {"type": "Recreate"}) == (waiting["replicas"], waiting["strategy"])
    assert "initContainers" not in pod  # a check that fails would keep the way out shut
    assert [] == [key for key in after if key.endswith("Probe")]
    assert {"name": "target", "mountPath": "/backup"} in after["volumeMounts"]
    assert all(mount in after["volumeMounts"] for mount in before["volumeMounts"])
    for key in ("image", "env", "securityContext", "resources"):
        assert before[key] == after[key]
    process = subprocess.Popen([sys.executable, *after["command"][1:], *after["args"]])
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1)
    process.terminate()
    assert 0 == process.wait(30)


@pytest.mark.parametrize("name", OVERLAYS)
def test_maintenance_is_the_same_by_the_component(name: str, tmp_path: Path) -> None:
    """deploy/components/maintenance, taken in by an overlay of one's own."""
    places = {"resources": DEPLOY / "overlays" / name, "components": DEPLOY / "components" / "maintenance"}
    (tmp_path / "kustomization.yaml").write_text(
        yaml.safe_dump(
            {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                **{key: [os.path.relpath(place, tmp_path.resolve())] for key, place in places.items()},
            }
        ),
        encoding="utf-8",
    )
    ran = subprocess.run(["kubectl", "kustomize", tmp_path], capture_output=True, text=True, timeout=60, check=False)
    assert (0, "") == (ran.returncode, ran.stderr)
    by_kustomize, by_chart = comparable(yaml.safe_load_all(ran.stdout)), comparable(as_overlay(name, maintenance=True))

    assert by_kustomize.keys() == by_chart.keys()
    for key, manifest in by_kustomize.items():
        assert manifest == by_chart[key], key


def test_several_releases_keep_apart() -> None:
    """In one namespace: other names, and no selector of one meets a pod of the other."""
    first, second = rendered_chart(SMALL, "berlin"), rendered_chart(SMALL, "paris")
    names = [{(each["kind"], each["metadata"]["name"]) for each in release} for release in (first, second)]
    pods = [template["metadata"]["labels"] for template in pod_templates(second)]
    selectors = [
        each["spec"]["selector"].get("matchLabels", each["spec"]["selector"])
        for each in first
        if each["kind"] in ("Deployment", "Service", "PodDisruptionBudget")
    ]

    assert set() == names[0] & names[1]
    assert [] == [selector for selector in selectors for labels in pods if selector.items() <= labels.items()]
    assert {"berlin-syncd"} == {each["metadata"]["name"] for each in first if each["kind"] == "Deployment"}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, "config is empty"),
        (SMALL | {"replicas": 2}, "needs leadership.enabled"),
        (SMALL | {"leadership": {"enabled": True}}, "postgresql.enabled"),
        ({"existingConfigMap": "ours", "replicas": 2}, "needs leadership.enabled"),
        ({"existingConfigMap": "ours", "leadership": {"enabled": True}}, "postgresql.enabled"),
        (SMALL | {"backup": {"enabled": True}, "persistence": {"enabled": False}}, "needs a place"),
        (SMALL | {"moveLedger": {"enabled": True}, "postgresql": {"enabled": True}}, "maintenance: true"),
        (SMALL | {"moveLedger": {"enabled": True}, "maintenance": True}, "postgresql.enabled"),
        (SMALL | {"persistense": {}}, "persistense"),
        (SMALL | {"image": {"digest": "latest"}}, "digest"),
        (SMALL | {"fullnameOverride": "a" * 44}, "fullnameOverride"),
        (SMALL | {"networkPolicy": {"ldap": {"port": 99999}}}, "port"),
    ],
)
def test_values_that_do_not_fit_are_refused_in_words(values: dict[str, Any], says: str) -> None:
    """A misspelt key is an error, never silently nothing."""
    with pytest.raises(helm_python.HelmError, match=says):
        rendered_chart(values)


def test_what_the_chart_fills_in_is_a_right_configuration(tmp_path: Path) -> None:
    """Listening for both families, the Lease of the release, the ledger's address from the Secret; nothing that was said is
    overwritten."""
    values = SMALL | VALUES["highly-available"]
    file = tmp_path / "syncd.yaml"
    config_map = next(each for each in rendered_chart(values, "corp", "it") if each["kind"] == "ConfigMap")
    file.write_text(config_map["data"]["syncd.yaml"], encoding="utf-8")
    config = load(file, {}, check_files=False)

    assert "[::]:9464" == config.http.listen
    assert config.leadership.lease is not None
    assert ("it", "corp-syncd") == (config.leadership.lease.namespace, config.leadership.lease.name)
    assert config.ledger.url_secret is not None
    said = configuration(rendered_chart({"config": {**SMALL["config"], "http": {"listen": "0.0.0.0:9464"}}}))
    assert {"listen": "0.0.0.0:9464"} == yaml.safe_load(said)["http"]


def test_what_is_said_of_a_section_leaves_the_rest_of_it_to_the_chart() -> None:
    """How long names are kept says nothing of where the ledger lies, nor a lease's duration of its name; an address of one's
    own, however it is given, stays the only one."""

    def filled(**more: Any) -> Any:
        values = VALUES["highly-available"] | {"config": SMALL["config"] | more}
        return yaml.safe_load(configuration(rendered_chart(values, "syncd", "it")))

    assert {"keep_personal": "400d", "url_file": "/run/secrets/syncd/ledger-url"} == filled(ledger={"keep_personal": "400d"})[
        "ledger"
    ]
    for own in ({"url": "postgresql://u@db/x"}, {"url_file": "/own"}, {"url_env": "OWN"}):
        assert own == filled(ledger=own)["ledger"]
    assert {"duration": "20s", "namespace": "it", "name": "syncd"} == filled(leadership={"lease": {"duration": "20s"}})[
        "leadership"
    ]["lease"]
    assert "own" == filled(leadership={"lease": {"name": "own"}})["leadership"]["lease"]["name"]


@pytest.mark.parametrize("name", ["a" * 53, "zoom-licences-of-the-north-american-subsidiary-no-2"])
def test_the_longest_name_of_a_release_makes_names_that_kubernetes_takes(name: str) -> None:
    """A CronJob's has at most 52 letters, any other's 63; a name given in full as well, which may have 43."""
    for values in (EVERYTHING, EVERYTHING | {"fullnameOverride": name[:43]}):
        for each in rendered_chart(values | {"monitoring": {"dashboard": {"enabled": True}}}, name):
            assert len(each["metadata"]["name"]) <= (52 if each["kind"] == "CronJob" else 63), each["metadata"]["name"]
            assert not each["metadata"]["name"].endswith("-")


def test_a_changed_configuration_is_a_new_roll_out() -> None:
    """By a checksum on the pods."""

    def checksum(mode: str) -> str:
        manifests = rendered_chart({"config": {**SMALL["config"], "mode": mode}})
        return str(one(manifests, "Deployment")["spec"]["template"]["metadata"]["annotations"]["checksum/config"])

    assert checksum("report") == checksum("report") != checksum("enforce")


def test_a_wrong_configuration_is_met_before_the_daemon_is_touched() -> None:
    """A hook of each upgrade checks the new configuration with the new image."""
    with helm_python.Chart.load(CHART) as chart:
        hooks = list(
            yaml.safe_load_all(
                chart.render(values=SMALL, name="syncd", namespace="syncd")["syncd/templates/check-before-upgrade.yaml"]
            )
        )
    config, job = (each for each in hooks if each)

    assert {"pre-upgrade"} == {each["metadata"]["annotations"]["helm.sh/hook"] for each in (config, job)}
    assert [["check", "--syntax"]] == [each["args"] for each in job["spec"]["template"]["spec"]["containers"]]
    assert job["spec"]["template"]["spec"]["volumes"][0]["configMap"]["name"] == config["metadata"]["name"]


def test_rules_and_dashboard_of_a_release_are_its_own(tmp_path: Path) -> None:
    """Selected by its namespace and job, with the operator's words; promtool takes them."""
    values = SMALL | {
        "monitoring": {
            "rules": {
                "enabled": True,
                "labels": {"release": "stack"},
                "runbookBase": "https://wiki.corp.example/s",
                "severities": {"critical": "page"},
                "alertLabels": {"team": "it"},
            },
            "dashboard": {"enabled": True, "annotations": {"folder": "IT"}},
        }
    }
    manifests = rendered_chart(values, "berlin", "hr")
    rules, board = one(manifests, "PrometheusRule", "berlin-syncd"), one(manifests, "ConfigMap", "berlin-syncd-dashboard")
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(rules["spec"]), encoding="utf-8")
    made = [rule for group in rules["spec"]["groups"] for rule in group["rules"]]

    assert {"release": "stack"}.items() <= rules["metadata"]["labels"].items()
    assert "@" not in file.read_text(encoding="utf-8")
    assert all('job="berlin-syncd", namespace="hr"' in rule["expr"] for rule in made)
    assert {"page", "warning", "info"} == {rule["labels"]["severity"] for rule in made}
    assert {"it"} == {rule["labels"]["team"] for rule in made}
    assert all(rule["annotations"]["runbook_url"].startswith("https://wiki.corp.example/s/Syncd") for rule in made)
    assert "syncd" == json.loads(board["data"]["syncd.json"])["uid"]
    assert {"folder": "IT"} == board["metadata"]["annotations"]


def test_the_readme_says_every_value() -> None:
    """Made from values.yaml and its schema: `make tables`."""
    text = README.read_text(encoding="utf-8")

    assert renewed(text) == text


def test_the_chart_has_the_version_of_the_program() -> None:
    """What is installed by it is what it was tested with."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))

    assert {__version__} == {chart["version"], chart["appVersion"]}

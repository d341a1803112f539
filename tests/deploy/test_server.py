"""The manifests as a real API server takes them, and the rights they give, tried with the service account's own token.

The server is 1.20, which has no batch/v1 CronJob and no policy/v1 PodDisruptionBudget: those two are rewritten to v1beta1, in
which the fields used here are the same.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml

from syncd.events import Event
from syncd.host.clock import SystemClock
from syncd.leadership.lease import Lease, LeaseSettings
from tests.deploy.charts import as_overlay
from tests.deploy.manifests import DEPLOY, OVERLAYS, Manifest, demand_kubectl, overlay, rendered
from tests.kube.cluster import Cluster
from tests.real.conftest import cluster

__all__ = ["cluster"]

OLDER = {("CronJob", "batch/v1"): "batch/v1beta1", ("PodDisruptionBudget", "policy/v1"): "policy/v1beta1"}


class Kubectl:
    """kubectl as an administrator of the cluster."""

    def __init__(self, server: Cluster, folder: Path) -> None:
        self._words = [
            "kubectl",
            f"--server={server.url}",
            f"--token={server.token}",
            f"--certificate-authority={server.ca_file}",
            f"--cache-dir={folder / 'kubectl'}",
            "--kubeconfig=/dev/null",
        ]

    def __call__(self, *words: str, manifests: list[Manifest] | None = None) -> subprocess.CompletedProcess[str]:
        """Runs it; *manifests* come on standard input."""
        older = [
            {**each, "apiVersion": OLDER.get((each["kind"], each["apiVersion"]), each["apiVersion"])} for each in manifests or []
        ]
        return subprocess.run(
            [*self._words, *words], input=yaml.safe_dump_all(older), capture_output=True, text=True, timeout=120, check=False
        )

    def apply(self, manifests: list[Manifest], *words: str) -> subprocess.CompletedProcess[str]:
        """Strict: an unknown or doubled key is an error."""
        return self("apply", "--validate=strict", "-f", "-", *words, manifests=manifests)


@pytest.fixture(scope="module")
def kubectl(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    """With the namespace and the operator's two kinds, which a dry run does not make."""
    demand_kubectl()
    administrator = Kubectl(cluster, tmp_path_factory.mktemp("kubectl"))
    crds = list(yaml.safe_load_all((Path(__file__).parent / "operator-crds.yaml").read_text(encoding="utf-8")))
    namespace = [each for each in overlay("report-only") if each["kind"] == "Namespace"]
    done = administrator.apply([*crds, *namespace])
    assert 0 == done.returncode, done.stderr
    waited = administrator("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
    assert 0 == waited.returncode, waited.stderr
    return administrator


@pytest.mark.parametrize("folder", ["base", "monitoring", *(f"overlays/{name}" for name in OVERLAYS)])
def test_the_server_accepts_every_object(kubectl: Kubectl, folder: str) -> None:
    """`kubectl apply --dry-run=server`: validated and defaulted as for real, then thrown away."""
    manifests = rendered(folder)

    done = kubectl.apply(manifests, "--dry-run=server")

    assert (0, "") == (done.returncode, done.stderr)
    assert len(manifests) == done.stdout.count("(server dry run)")


@pytest.mark.parametrize("name", OVERLAYS)
def test_the_server_accepts_every_object_of_the_chart(kubectl: Kubectl, name: str) -> None:
    """As Helm renders it, with the values of the same installation."""
    manifests = as_overlay(name)

    done = kubectl.apply(manifests, "--dry-run=server")

    assert (0, "") == (done.returncode, done.stderr)
    assert len(manifests) == done.stdout.count("(server dry run)")


@pytest.mark.parametrize(
    ("kind", "name", "path", "value"),
    [
        ("Deployment", "syncd", ("spec", "replicas"), -2),
        ("Service", "syncd", ("spec", "ports", 0, "port"), 99100),
        ("ServiceMonitor", "syncd", ("spec", "endpoints", 0, "interval"), "often"),
        ("CronJob", "syncd-evidence", ("spec", "schedule"), "every month"),
        ("NetworkPolicy", "syncd", ("spec", "egres"), []),
    ],
)
def test_the_server_would_catch_what_schemas_let_through(
    kubectl: Kubectl, kind: str, name: str, path: tuple[str | int, ...], value: object
) -> None:
    """A check that accepts everything is none."""
    manifests = yaml.safe_load(yaml.safe_dump(overlay("report-only") + rendered("monitoring")))
    (broken,) = (each for each in manifests if (each["kind"], each["metadata"]["name"]) == (kind, name))
    place = broken
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value

    assert 0 != kubectl.apply([broken], "--dry-run=server").returncode


def test_applying_again_changes_nothing_and_takes_no_lease_away(kubectl: Kubectl, cluster: Cluster) -> None:
    """The Lease of the manifests is empty; whoever holds it keeps it through the next `kubectl apply`."""
    assert 0 == kubectl.apply(overlay("highly-available")).returncode
    path = "/apis/coordination.k8s.io/v1/namespaces/syncd/leases/syncd"
    _, lease = cluster.ask("GET", path)
    lease["spec"] = {"holderIdentity": "pod-a", "leaseDurationSeconds": 15, "leaseTransitions": 7}
    assert 200 == cluster.ask("PUT", path, lease)[0]

    again = kubectl.apply(overlay("highly-available"))

    assert 0 == again.returncode, again.stderr
    assert {"configured", "created"}.isdisjoint(again.stdout.split())
    assert ("pod-a", 7) == tuple(cluster.ask("GET", path)[1]["spec"][key] for key in ("holderIdentity", "leaseTransitions"))
    lease = cluster.ask("GET", path)[1]
    lease["spec"]["holderIdentity"] = ""
    assert 200 == cluster.ask("PUT", path, lease)[0]


async def test_the_service_account_can_lead_by_its_lease_and_nothing_else(kubectl: Kubectl, cluster: Cluster) -> None:
    """The elector itself with the token a pod would get; then everything else that token must not do."""
    assert 0 == kubectl.apply(overlay("highly-available")).returncode
    token = kubectl("create", "token", "syncd", "--namespace=syncd").stdout.strip()
    told: list[Event] = []
    lease = Lease(
        LeaseSettings("syncd", "syncd", 15, cluster.url, lambda: token, "pod-a", str(cluster.ca_file)), SystemClock(), told.append
    )
    async with lease.running():
        assert await lease.lead() > 0

    leases = "/apis/coordination.k8s.io/v1/namespaces/syncd/leases"
    body = {"metadata": {"name": "another"}, "spec": {}}
    allowed = {("GET", f"{leases}/syncd"): 200}
    refused = [
        ("POST", leases),
        ("GET", leases),
        ("DELETE", f"{leases}/syncd"),
        ("GET", f"{leases}/another"),
        ("GET", "/apis/coordination.k8s.io/v1/namespaces/default/leases/syncd"),
        ("GET", "/api/v1/namespaces/syncd/secrets"),
        ("GET", "/api/v1/namespaces/syncd/secrets/syncd-secrets"),
        ("GET", "/api/v1/namespaces/syncd/pods"),
        ("GET", "/api/v1/nodes"),
        ("GET", "/apis/apps/v1/namespaces/syncd/deployments/syncd"),
        ("POST", "/api/v1/namespaces/syncd/serviceaccounts/syncd/token"),
    ]
    assert allowed == {(method, path): cluster.ask(method, path, token=token)[0] for method, path in allowed}
    assert dict.fromkeys(refused, 403) == {
        (method, path): cluster.ask(method, path, body if method == "POST" else None, token)[0] for method, path in refused
    }


def test_the_readme_s_commands_are_accepted(kubectl: Kubectl) -> None:
    """Those that talk to the cluster and need no image, as they are written there."""
    text = (DEPLOY / "README.md").read_text(encoding="utf-8")

    assert "kubectl apply --dry-run=server -k deploy/overlays/report-only" in text
    made = kubectl(
        "-n",
        "syncd",
        "create",
        "secret",
        "generic",
        "syncd-secrets",
        "--from-literal=zoom-secret=x",
        "--from-literal=ad-password=x",
        "--from-literal=ad-ca.pem=x",
        "--dry-run=server",
    )
    assert 0 == made.returncode, made.stderr

"""Starts etcd and a real kube-apiserver on loopback, with the rights that the manifests give. No kubelet: pods stay on paper.

The API server is built by ``build-apiserver`` beside this file into a cache folder outside the repository.
"""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ports import free_port

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("SYNCD_TEST_CACHE", "/var/cache/syncd-tests")) / "kube"
START_SECONDS = 90.0
ADMIN = "admin-token"


def missing() -> str:
    """Why there can be no cluster here, or nothing."""
    absent = [tool for tool in ("etcd", "openssl") if shutil.which(tool) is None]
    if absent:
        return f"no {' and no '.join(absent)} (packages etcd-server, openssl)"
    if not (CACHE / "kube-apiserver").exists() and os.environ.get("CI") != "true":
        return f"no kube-apiserver: run tests/kube/build-apiserver {CACHE} once (five minutes)"
    return ""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running API server. *token* is an administrator's."""

    url: str
    port: int
    ca_file: Path
    token: str

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, token: str = "") -> tuple[int, Any]:
        """Status and JSON of one request."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={"Authorization": f"Bearer {token or self.token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, context=self.trust(), timeout=10) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def trust(self) -> ssl.SSLContext:
        """Trusts this server alone."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def service_account(self, namespace: str, name: str, lease: str) -> str:
        """A service account with rights on one Lease only, as deploy/ gives them; returns its token."""
        rbac = "/apis/rbac.authorization.k8s.io/v1"
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        self.ask("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})
        self.ask(
            "POST",
            f"{rbac}/namespaces/{namespace}/roles",
            {
                "metadata": {"name": name},
                "rules": [
                    {
                        "apiGroups": ["coordination.k8s.io"],
                        "resources": ["leases"],
                        "resourceNames": [lease],
                        "verbs": ["get", "update"],
                    },
                    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
                ],
            },
        )
        self.ask(
            "POST",
            f"{rbac}/namespaces/{namespace}/rolebindings",
            {
                "metadata": {"name": name},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
            },
        )
        status, reply = self.ask(
            "POST",
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}},
        )
        assert status == 201, reply
        return str(reply["status"]["token"])


@contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """A fresh cluster below *folder* while the block runs; its processes are stopped by their ids."""
    folder.mkdir(parents=True, exist_ok=True)
    server = subprocess.run([HERE / "build-apiserver", CACHE], capture_output=True, text=True, check=True).stdout.strip()
    etcd_port, peer_port, port = (free_port() for _ in range(3))
    _certificates(folder)
    (folder / "tokens.csv").write_text(f'{ADMIN},admin,admin-uid,"system:masters"\n')
    etcd = f"http://127.0.0.1:{etcd_port}"
    peer = f"http://127.0.0.1:{peer_port}"
    commands = [
        [
            "etcd",
            "--data-dir",
            str(folder / "etcd"),
            "--listen-client-urls",
            etcd,
            "--advertise-client-urls",
            etcd,
            "--listen-peer-urls",
            peer,
            "--initial-advertise-peer-urls",
            peer,
            "--initial-cluster",
            f"default={peer}",
            "--unsafe-no-fsync",
        ],
        [
            server,
            f"--etcd-servers={etcd}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={port}",
            "--insecure-port=0",
            f"--tls-cert-file={folder / 'a.crt'}",
            f"--tls-private-key-file={folder / 'a.key'}",
            f"--token-auth-file={folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={folder / 'sa.key'}",
            f"--service-account-signing-key-file={folder / 'sa.key'}",
            "--service-cluster-ip-range=10.250.0.0/24",
            "--disable-admission-plugins=ServiceAccount",
        ],
    ]
    started: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
                started.append(subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT))
        cluster = Cluster(f"https://127.0.0.1:{port}", port, folder / "a.crt", ADMIN)
        _wait_until_ready(cluster, started, folder)
        yield cluster
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _certificates(folder: Path) -> None:
    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    openssl("genrsa", "-out", "sa.key", "2048")
    openssl(
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "a.key",
        "-out",
        "a.crt",
        "-days",
        "2",
        "-subj",
        "/CN=kube-apiserver",
        "-addext",
        "subjectAltName=IP:127.0.0.1,DNS:localhost",
        "-addext",
        "basicConstraints=critical,CA:TRUE",
        "-addext",
        "keyUsage=critical,digitalSignature,keyCertSign",
    )


def _wait_until_ready(cluster: Cluster, processes: list[subprocess.Popen[bytes]], folder: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        for process in processes:
            if process.poll() is not None:
                raise RuntimeError(f"{process.args} ended: see {folder}")
        try:
            request = urllib.request.Request(cluster.url + "/readyz", headers={"Authorization": f"Bearer {ADMIN}"})
            with urllib.request.urlopen(request, context=cluster.trust(), timeout=2) as reply:
                if reply.status == 200:
                    return
        except OSError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"the API server is not ready after {START_SECONDS:.0f} s: see {folder}")

"""Real services for real tests. Where one cannot be had its tests are skipped with the reason; in CI they fail."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adlab import lab
from tests.adlab.lab import Lab
from tests.kube import cluster as kube
from tests.kube.cluster import Cluster


@pytest.fixture(scope="session")
def seeded_domain() -> Path:
    """A stopped Samba domain with thousands of people, to copy from."""
    reason = lab.missing()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    return lab.template()


@pytest.fixture(scope="session")
def samba(seeded_domain: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A real Active Directory domain controller. Nobody changes it: see ``changeable_samba``."""
    with lab.running(tmp_path_factory.mktemp("samba") / "dc", seeded_domain) as started:
        yield started


@pytest.fixture(scope="module")
def changeable_samba(seeded_domain: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Another controller of a domain with the same content, for one file of tests to change, stop and break."""
    with lab.running(tmp_path_factory.mktemp("changeable") / "dc", seeded_domain) as started:
        yield started


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A real Kubernetes API server."""
    reason = kube.missing()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    with kube.running(tmp_path_factory.mktemp("kube")) as started:
        yield started

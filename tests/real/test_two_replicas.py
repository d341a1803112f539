"""Two real daemons, one PostgreSQL ledger, one Lease on a real API server: never two writers, nothing lost, nothing twice."""

from __future__ import annotations

import signal
import uuid
from collections import Counter

import psycopg
import pytest

from tests.acceptance.company import Company, wait_until
from tests.acceptance.conftest import company, prefork
from tests.kube.cluster import Cluster
from tests.postgres import Server

__all__ = ["company", "prefork"]

LEAVERS = 12


@pytest.fixture
def replicated(company: Company, postgres_server: Server, cluster: Cluster) -> tuple[Company, str]:
    """A company whose ledger and leadership are fit for two replicas, with leavers about to go; and the ledger's URL."""
    name = f"syncd-{uuid.uuid4().hex[:8]}"
    url = postgres_server.database()
    (company.folder / "kube-token").write_text(cluster.service_account("syncd", name, name))
    company.staff(60)
    company.configure(
        {
            "ledger": {"url": url},
            "leadership.lease": {
                "namespace": "syncd",
                "name": name,
                "duration": "4s",
                "api_url": cluster.url,
                "token_file": str(company.folder / "kube-token"),
                "ca_file": str(cluster.ca_file),
            },
            "guards": {"max_deactivations": 100, "max_deactivations_percent": 100, "max_directory_shrink_percent": 100},
            "schedule": {"interval": "1h"},
            "zoom.concurrency": 1,
        }
    )
    company.enforcing()
    company.leaves(*[f"p{number:03}" for number in range(LEAVERS)])
    company.zoom.latency_seconds = 0.15
    return company, url


def entries(url: str, kind: str) -> list[dict[str, str]]:
    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT subject, term, body::json->>'id', body::json->>'intent' FROM chain WHERE kind = %s ORDER BY seq", (kind,)
        ).fetchall()
    return [{"subject": subject, "term": term, "id": id_, "intent": intent} for subject, term, id_, intent in rows]


def deactivated(company: Company) -> Counter[str]:
    return Counter(name for name, action in company.written() if action == "deactivate")


def test_a_frozen_leader_is_replaced_and_writes_nothing_when_it_thaws(replicated: tuple[Company, str]) -> None:
    """Stopped in the middle of an enforcing cycle for longer than the lease: the other one settles what is open, does the
    rest, and the first one, resumed, finds out before its next write."""
    company, url = replicated
    with company.running() as first:
        first.wait(lambda: sum(deactivated(company).values()) >= 3, "the first writes")
        first.process.send_signal(signal.SIGSTOP)
        with company.running() as second:
            second.wait(lambda: len(deactivated(company)) == LEAVERS, "the second one doing the rest")
            second.wait_cycles(1)
            before = len(company.zoom.writes)
            first.process.send_signal(signal.SIGCONT)
            first.wait(lambda: first.cycles(), "the first one noticing")
            wait_until(
                lambda: any(not event.get("leader", True) or event["event"] == "leadership.lost" for event in first.events()),
                "leadership lost",
            )
            assert before == len(company.zoom.writes)
            assert second.process.poll() is None
    assert {1} == set(deactivated(company).values())
    assert LEAVERS == len(deactivated(company))
    settled = {one["intent"] for one in entries(url, "outcome")}
    assert [] == [one for one in entries(url, "intent") if one["id"] not in settled]
    verified = company.syncd("ledger", "verify")
    assert 0 == verified.code, verified.out


def test_a_rolling_update_in_the_middle_of_a_cycle_loses_and_repeats_nothing(replicated: tuple[Company, str]) -> None:
    """The new one starts as a standby, the old one gets SIGTERM, gives the lease back, and the new one goes on at once."""
    company, url = replicated
    with company.running() as old:
        old.wait(lambda: sum(deactivated(company).values()) >= 2, "the first writes")
        with company.running() as new:
            new.wait_ready()
            code, _ = old.terminate()
            assert 0 == code
            new.wait(lambda: len(deactivated(company)) == LEAVERS, "the new one doing the rest")
            new.wait_cycles(1)
    assert {1} == set(deactivated(company).values())
    terms = [one["term"] for one in entries(url, "intent")]
    assert sorted(terms) == terms
    settled = {one["intent"] for one in entries(url, "outcome")}
    assert [] == [one for one in entries(url, "intent") if one["id"] not in settled]
    verified = company.syncd("ledger", "verify")
    assert 0 == verified.code, verified.out

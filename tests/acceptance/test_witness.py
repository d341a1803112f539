"""Zoom as a witness, end to end: the daemon on its socket, the log after a one-shot cycle, and what every verb says of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.acceptance.company import Company


@pytest.fixture
def watched(company: Company) -> Company:
    """Thirty people in step, enforcing, with both witnesses; the daemon runs one cycle at its start and then only when asked."""
    company.staff(30)
    company.enforcing()
    company.configure(
        {
            "zoom.events": {
                "subscription_id": company.zoom.events.subscription_id,
                "url": company.serving.url.replace("http", "ws", 1) + "/ws",
            },
            "zoom.operation_log": True,
            "schedule": {"interval": "6h", "jitter": "0s"},
        }
    )
    return company


def states(metrics: dict[str, float]) -> dict[str, float]:
    return {
        name.partition('"')[2].rstrip('"}'): number
        for name, number in metrics.items()
        if name.startswith("syncd_witness_effects{") and number
    }


def period(company: Company) -> dict[str, object]:
    today = datetime.now(UTC).date().isoformat()
    done = company.syncd("report", "--from", today, "--to", today, "--format", "json")
    assert done.code == 0, done.said
    return dict(done.document)


def test_the_daemon_sees_its_own_change_confirmed_and_somebody_elses_at_once(watched: Company) -> None:
    """By event, while no cycle runs; who it was stands beside the chain and in the reports, and in no log line."""
    with watched.running() as daemon:
        daemon.wait_cycles(1)
        daemon.wait(lambda: watched.zoom.events.connected, "connected")
        watched.leaves("p001")
        daemon.sync()
        daemon.wait(lambda: states(daemon.metrics()) == {"confirmed": 1}, "confirmed")
        watched.zoom.tenant.alter("p001@corp.example", status="active", by="boss@corp.example")
        daemon.wait(lambda: states(daemon.metrics()) == {"confirmed": 1, "foreign": 1}, "foreign")
        code, _ = daemon.terminate()
        said = daemon.log.read_text()

    assert code == 0
    assert ["change.confirmed", "change.foreign"] == [
        line["event"] for line in map(json.loads, said.splitlines()) if line["event"].startswith("change.")
    ]
    assert "boss@" not in said
    assert "p001@" not in said
    assert "boss@" not in json.dumps([entry["body"] for entry in watched.entries()])
    rows = period(watched)["seen_by_others"]
    assert isinstance(rows, list)
    assert [("foreign", "activated", "boss@corp.example"), ("confirmed", "deactivated", "somebody")] == [
        (row["state"], row["what"], "somebody" if row["state"] == "confirmed" else row["operator"]) for row in rows
    ]
    explained = watched.syncd("explain", "p001@corp.example")
    assert "confirmed by event" in explained.out
    assert "foreign by event" in explained.out
    assert "1 changes are confirmed by Zoom's events" in watched.syncd("ledger", "verify").out
    cycle = watched.syncd("plan", "--format", "json")
    assert "foreign" == next(row["witness"] for row in cycle.document["decisions"] if row["email"] == "p001@corp.example")


def test_an_account_that_somebody_opens_for_a_leaver_is_closed_within_seconds_by_a_look(watched: Company) -> None:
    """Each by a look of its own, while the next whole cycle is hours away; an entitled one stays off."""
    for name in ("old1", "old2"):
        watched.person(name, groups="left")
        watched.account(name, status="inactive", type=1)
    watched.save()
    watched.configure(
        {
            "schedule.watch": True,
            "schedule.watch_settle": "0s",
            "directory.file": {**watched.settings["directory"]["file"], "groups": ["staff"], "leaver_groups": ["left"]},
            "deactivate.grace_for_known_leavers": "0s",
        }
    )
    watched.approve_what_is_held() if watched.syncd("plan").code else None
    with watched.running() as daemon:
        daemon.wait_cycles(1)
        daemon.wait(lambda: watched.zoom.events.connected, "connected")
        for name in ("old1", "old2"):
            watched.zoom.tenant.alter(f"{name}@corp.example", status="active", by="boss@corp.example")
            daemon.wait(lambda name=name: watched.status(name) == "inactive", f"{name} is off again")  # type: ignore[misc]
        watched.zoom.tenant.alter("p002@corp.example", status="inactive", by="boss@corp.example")
        daemon.wait(lambda: daemon.metrics()['syncd_watch_looks_total{result="in_step"}'] >= 1, "p002 was looked at")
        daemon.wait(lambda: states(daemon.metrics()) == {"confirmed": 2, "foreign": 3}, "all of it is witnessed")
        assert 3 == daemon.metrics()['syncd_watch_signals_total{source="zoom_events"}']
        assert ["in_step"] == daemon.cycles()

    assert [("old1", "deactivate"), ("old2", "deactivate")] == watched.written()
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(watched.reports.glob("*.json"))]
    found = [one for one in documents if one.get("look")]
    assert [("watch", "applied")] * 2 == [(one["trigger"], one["result"]) for one in found]
    assert {"old1@corp.example", "old2@corp.example"} == {row["email"] for one in found for row in one["decisions"]}
    assert 0 == watched.syncd("ledger", "verify").code


def test_a_one_shot_cycle_asks_the_log_what_it_saw(watched: Company) -> None:
    """Its own document says waiting, since events are for the daemon; the log of the same minute confirms."""
    watched.leaves("p001")
    watched.zoom.tenant.alter("p002@corp.example", type=1)  # the log's wording of this is nobody's to guess
    done = watched.syncd("apply", "--format", "json")

    assert (0, "done") == (done.code, done.outcome_of("p001@corp.example")[0])
    assert "waiting" == next(row["witness"] for row in done.document["decisions"] if row["email"] == "p001@corp.example")
    assert 1 == len(watched.zoom.asked("operation_logs"))
    (row,) = period(watched)["seen_by_others"]  # type: ignore[misc]
    assert ("confirmed", "log") == (row["state"], row["source"])
    assert [2] == [
        entry["body"]["unknown"]
        for entry in watched.entries()  # the licence that went with p001's, too
        if entry["kind"] == "witness.log"
    ]
    assert 0 == watched.syncd("apply").code
    assert 1 == len(watched.zoom.asked("operation_logs"))  # once a day


def test_a_log_and_a_socket_that_refuse_are_said_at_check_and_stop_nothing(watched: Company) -> None:
    """A missing scope, a wrong subscription: exit 4 with the fix; a cycle goes on."""
    good = watched.syncd("check")
    assert good.code == 0, good.said
    watched.zoom.oauth.scopes -= {"report:read:operation_logs:admin"}
    watched.configure({"zoom.events.subscription_id": "another"})
    checked = watched.syncd("check")
    watched.leaves("p001")
    done = watched.syncd("apply", "--format", "json")

    assert checked.code == 4
    assert "report:read:operation_logs:admin" in checked.out
    assert "zoom.events.subscription_id" in checked.out
    assert (0, "done") == (done.code, done.outcome_of("p001@corp.example")[0])


def test_without_witnesses_nothing_is_asked_and_nothing_is_alarming(company: Company) -> None:
    """Unwatched is no word of blame."""
    company.staff(30)
    company.enforcing()
    company.leaves("p001")
    done = company.syncd("apply", "--format", "json")

    assert "unwatched" == next(row["witness"] for row in done.document["decisions"] if row["email"] == "p001@corp.example")
    assert [] == company.zoom.asked("operation_logs")
    assert not any(entry["kind"].startswith("witness") for entry in company.entries())

"""``schedule.watch: true`` (section 11): seconds instead of an hour, with every guard in force, and nothing by a signal alone."""

from __future__ import annotations

import csv
import io
import json
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.company import Company, Daemon, wait_until


@pytest.fixture
def watched(company: Company) -> Company:
    """Thirty people in step; whole cycles once in six hours, the file asked every second."""
    company.staff(30)
    company.configure(
        {
            "schedule.interval": "6h",
            "schedule.jitter": "0s",
            "schedule.watch": True,
            "schedule.watch_settle": "0s",
            "directory.file.groups": ["staff"],
            "directory.file.leaver_groups": ["left"],
            "deactivate.grace": "24h",
            "reports.promise": "48h",
            "deactivate.grace_for_known_leavers": "0s",
        }
    )
    company.enforcing()
    return company


def looks(company: Company) -> list[dict[str, Any]]:
    """The documents of looks, oldest first."""
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(company.reports.glob("*.json"))]
    return [one for one in documents if one.get("look")]


def looked(daemon: Daemon) -> float:
    return sum(value for name, value in daemon.metrics().items() if name.startswith("syncd_watch_looks_total{"))


def test_a_leaver_goes_within_seconds_while_the_next_cycle_is_hours_away(watched: Company) -> None:
    """Their own change alone: somebody out of the groups, whose grace has not begun, stays."""
    with watched.running() as daemon:
        daemon.wait_cycles(1)
        before = daemon.metrics()
        watched.person("p003", groups="staff;left")
        watched.person("p004", groups="")
        watched.save()
        daemon.wait(lambda: watched.status("p003") == "inactive", "the leaver is locked out")
        daemon.wait(lambda: looks(watched), "the look is filed")
        after = daemon.metrics()
        page = daemon.get("/")[1]
        daemon.wait(lambda: daemon.metrics()['syncd_watch_signals_total{source="file"}'] == 1, "the signal is counted")
        assert 0 == after["syncd_watch_degraded"]

    assert [("p003", "deactivate")] == watched.written()
    same = (
        "syncd_last_cycle_timestamp_seconds",
        "syncd_last_success_timestamp_seconds",
        'syncd_cycles_total{result="applied"}',
        'syncd_cycles_total{result="in_step"}',
        'syncd_cycles_in_a_row{result="in_step"}',
    )
    assert [before[name] for name in same] == [after[name] for name in same]
    assert 1 == after['syncd_watch_looks_total{result="applied"}']
    assert 1 == after["syncd_watch_lag_seconds_count"] == after["syncd_lockout_seconds_count"]
    assert "not noticed" not in page
    document = looks(watched)[0]
    assert ("watch", "applied", True) == (document["trigger"], document["result"], document["look"])
    assert 30 == sum(document["counts"].values()) == document["zoom"]["accounts"]
    rows = {row["email"]: row for row in document["decisions"]}
    assert {"p003@corp.example", "p004@corp.example"} == set(rows)
    row = rows["p003@corp.example"]
    assert ("deactivate", "in_leavers_group", "done") == (row["action"], row["reason"], row["outcome"])
    told = row["moments"]
    assert [told[name] for name in ("changed", "seen", "decided", "sent", "answered", "verified")] == sorted(
        told[name] for name in ("changed", "seen", "decided", "sent", "answered", "verified")
    )
    assert ("keep", "within_grace") == (rows["p004@corp.example"]["action"], rows["p004@corp.example"]["reason"])
    table = next(
        path.with_suffix(".csv")
        for path in watched.reports.glob("*.json")
        if json.loads(path.read_text(encoding="utf-8")).get("look")
    )
    lines = csv.DictReader(io.StringIO(table.read_text(encoding="utf-8-sig")))
    cells = next(one for one in lines if one["zoom_id"] == row["zoom_id"])
    assert all(cells[name] for name in ("changed_at", "seen_at", "decided_at", "sent_at", "done_at", "verified_at"))
    days = {f"--{name}": told[moment][:10] for name, moment in (("from", "seen"), ("to", "verified"))}
    period = watched.syncd("report", *(word for one in days.items() for word in one), "--format", "json").document
    took = (datetime.fromisoformat(told["verified"]) - datetime.fromisoformat(told["changed"])).total_seconds()
    found, story = period["lockout"], period["leavers"][0]
    assert (1, sum(period["totals"]["results"].values())) == (period["totals"]["looks"], period["totals"]["cycles"])
    assert ("deactivated", True) == (story["state"], story["promise_met"])
    seen, began, decided = (datetime.fromisoformat(one) for one in (told["seen"], story["first_seen_at"], told["decided"]))
    assert seen <= began <= decided
    assert "seen leaving by the watch" == story["events"][0]["says"]
    assert ("p003@corp.example", 1, 1) == (found["worst"]["email"], found["measured"], found["locked_out"])
    assert [pytest.approx(took, abs=0.002)] * 4 == [found[f"{name}_seconds"] for name in ("p50", "p95", "p99", "worst")]
    assert watched.syncd("ledger", "verify").code == 0
    entries = watched.entries()
    theirs = [entry for entry in entries if entry["cycle"] == document["cycle_id"]]
    assert not {"memory"} & {entry["kind"] for entry in theirs}
    assert all(entry["body"]["look"] for entry in theirs if entry["kind"] == "cycle.ended")


def test_what_a_look_did_stays_done_and_a_whole_cycle_counts_the_others(watched: Company) -> None:
    """A change that concerns no account leaves no entry; the next whole cycle tells how many such looks there were."""
    with watched.running() as daemon:
        daemon.wait_cycles(1)
        head = watched.entries()[-1]["seq"]
        known = looked(daemon)
        watched.person("newcomer", address="newcomer@corp.example")
        watched.save()
        daemon.wait(lambda: looked(daemon) > known, "a look")
        assert head == watched.entries()[-1]["seq"]
        watched.person("p007", enabled="false")
        watched.save()
        daemon.wait(lambda: watched.status("p007") == "inactive", "the leaver is locked out")
        daemon.sync()
        daemon.sync()

    assert ["in_step", "in_step"] == daemon.cycles()[1:]
    assert [("p007", "deactivate")] == watched.written()
    ended = [entry["body"] for entry in watched.entries() if entry["kind"] == "cycle.ended" and not entry["body"].get("look")]
    assert 1 <= ended[-2]["looks"]["in_step"]
    assert "looks" not in ended[-1]


def test_guards_hold_under_the_watch_and_so_many_are_a_storm(watched: Company) -> None:
    """More leavers at once than a look may have: a whole cycle looks, its guard holds, and nobody is changed."""
    watched.configure({"guards.max_deactivations": 3})
    watched.approve_what_is_held() if watched.syncd("plan").code else None
    watched.syncd("apply")
    with watched.running() as daemon:
        daemon.wait_cycles(1)
        for number in range(10, 14):
            watched.person(f"p{number:03}", groups="staff;left")
        watched.save()
        daemon.wait_cycles(2)
        assert ["watch"] == [event["trigger"] for event in daemon.events("cycle.started")][1:]
        assert ["held"] == daemon.cycles()[1:]
        assert 1 == daemon.metrics()["syncd_watch_degraded"]
        assert "not noticed" in daemon.get("/")[1]
        said = daemon.events("watch.degraded")
        watched.person("p020", groups="staff;left")  # no whole cycle more than every five minutes
        signals = daemon.metrics()['syncd_watch_signals_total{source="file"}']

        def signalled() -> bool:
            watched.save()  # again, should the one before have met the cycle's own read
            time.sleep(2)
            return daemon.metrics()['syncd_watch_signals_total{source="file"}'] > signals

        daemon.wait(signalled, "the signal")

    assert 1 == len(said)
    assert "4 people leave at once" in said[0]["why"]
    assert [] == watched.written()


def test_a_pause_holds_looks_too(watched: Company) -> None:
    """And what was held is not lost: the next whole cycle does it."""
    with watched.running() as daemon:
        daemon.wait_cycles(1)
        assert watched.syncd("pause", "--by", "Ann Lee", "--because", "ticket 1").code == 0
        watched.person("p003", enabled="false")
        watched.save()
        daemon.wait(lambda: daemon.metrics()['syncd_watch_looks_total{result="held"}'] == 1, "a held look")
        assert watched.syncd("resume", "--by", "Ann Lee", "--because", "ticket 1").code == 0
        assert [] == watched.written()
        daemon.sync()

    assert [("p003", "deactivate")] == watched.written()


def test_a_disabling_taken_back_within_the_settling_time_does_nothing(watched: Company) -> None:
    """A script that toggles switches nobody off; somebody in a leavers' group goes at once all the same."""
    watched.configure({"schedule.watch_settle": "1h"})
    with watched.running() as daemon:
        daemon.wait_cycles(1)
        known = looked(daemon)
        watched.person("p001", enabled="false")
        watched.person("p002", groups="staff;left")
        watched.save()
        daemon.wait(lambda: watched.status("p002") == "inactive", "the leaver is locked out")
        watched.person("p001")
        watched.save()
        daemon.wait(lambda: looked(daemon) >= known + 2, "the second look")

    assert [("p002", "deactivate")] == watched.written()


def test_a_disabling_that_lasts_goes_when_it_has_settled(watched: Company) -> None:
    """Without any further signal."""
    watched.configure({"schedule.watch_settle": "2s"})
    with watched.running() as daemon:
        daemon.wait_cycles(1)
        watched.person("p001", enabled="false")
        watched.save()
        daemon.wait(lambda: watched.status("p001") == "inactive", "the leaver is locked out")
        assert 1 == len(daemon.cycles())
        daemon.wait(lambda: looks(watched), "the look is filed")

    row = next(row for row in looks(watched)[0]["decisions"] if row["email"] == "p001@corp.example")
    assert row["moments"]["seen"] < row["moments"]["decided"]


def test_a_mounted_volume_is_swapped_and_a_file_that_vanishes_is_said_once(watched: Company) -> None:
    """Kubernetes turns the link ``..data``; a missing file makes the watch degraded until it is back."""
    volume = watched.folder / "volume"
    volume.mkdir()

    def publish(name: str) -> None:
        (volume / name).mkdir()
        (volume / name / "people.csv").write_text(watched.people.read_text(encoding="utf-8"), encoding="utf-8")
        (volume / "..new").symlink_to(name)
        (volume / "..new").rename(volume / "..data")

    publish("..2026_1")
    (volume / "people.csv").symlink_to(Path("..data") / "people.csv")
    watched.configure({"directory.file.path": str(volume / "people.csv")})
    assert watched.syncd("apply").code in (0, 3)
    watched.approve_what_is_held() if watched.syncd("plan").code else None
    with watched.running() as daemon:
        daemon.wait_cycles(1)
        (volume / "people.csv").rename(volume / "away")
        daemon.wait(lambda: daemon.metrics()["syncd_watch_degraded"] == 1, "degraded")
        (volume / "away").rename(volume / "people.csv")
        daemon.wait(lambda: daemon.metrics()["syncd_watch_degraded"] == 0, "healed")
        watched.person("p003", groups="staff;left")
        watched.save()
        publish("..2026_2")
        daemon.wait(lambda: watched.status("p003") == "inactive", "the leaver is locked out")
        assert 1 == len(daemon.events("watch.degraded")) == len(daemon.events("watch.restored"))

    assert [("p003", "deactivate")] == watched.written()


def test_a_crash_between_intent_and_outcome_is_settled_by_the_next_cycle(watched: Company) -> None:
    """A look's write is announced like any other."""
    from syncd.lab import faults

    with watched.running() as daemon:
        daemon.wait_cycles(1)
        watched.zoom.faults.add(faults.slow(30), "set_status", times=None)
        watched.person("p003", groups="staff;left")
        watched.save()
        wait_until(lambda: watched.open_intents(), "an intent")
        daemon.kill()
    watched.zoom.faults.clear()
    with watched.running() as daemon:
        daemon.wait_cycles(1)

    assert [] == watched.open_intents()
    assert "inactive" == watched.status("p003")
    assert watched.syncd("ledger", "verify").code == 0

"""``syncd run``: endpoints, schedule, standby, stopping, and trouble that comes and goes (sections 5, 7 and 8)."""

from __future__ import annotations

import contextlib
import re
import socket
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from syncd.lab import faults
from tests.acceptance.company import ADDRESS, TRIGGER, WHO, Company, wait_until
from tests.acceptance.words import GUARDS

STOP_SECONDS = 10.0

RESULTS = ("in_step", "planned", "applied", "partial", "held", "unreadable", "interrupted", "failed")
SERVICES = ("zoom", "graph", "ldap", "kubernetes")
ACTIONS = ("deactivate", "reactivate", "restore_licence", "revoke_sessions")
PLAIN = (
    "leader",
    "held",
    "paused",
    "last_cycle_timestamp_seconds",
    "last_success_timestamp_seconds",
    "directory_people",
    "directory_entitled",
    "oldest_overdue_timestamp_seconds",
    "next_cycle_timestamp_seconds",
    "licences_released_total",
    "ledger_head_sequence",
    "cycle_duration_seconds_count",
    "offboarding_delay_seconds_count",
)
LABELLED: dict[str, dict[tuple[str, ...], list[tuple[str, ...]]]] = {
    "cycles_total": {("result",): [(word,) for word in RESULTS]},
    "phase_duration_seconds_count": {("phase",): [(w,) for w in ("directory", "zoom", "decide", "judge", "apply", "report")]},
    "zoom_accounts": {("status",): [("active",), ("inactive",), ("pending",)]},
    "planned_effects": {("action",): [(word,) for word in ACTIONS]},
    "manual_accounts": {
        ("reason",): [(w,) for w in ("protected", "reactivated_by_others", "ambiguous_match", "refused_by_zoom")]
    },
    "effects_total": {
        ("action", "result"): [(action, result) for action in ACTIONS for result in ("done", "skipped", "failed", "not_tried")]
    },
    "guard_tripped": {("guard",): [(word,) for word in GUARDS]},
    "http_wait_seconds_total": {("service", "cause"): [(s, c) for s in SERVICES for c in ("pace", "backoff", "retry_after")]},
    "http_retries_total": {
        ("service", "reason"): [(s, r) for s in SERVICES for r in ("throttled", "server_error", "network_error", "unauthorized")]
    },
    "credential_expiry_timestamp_seconds": {("credential",): [("zoom",), ("entra",), ("active_directory",)]},
    "clock_offset_seconds": {("service",): [(word,) for word in SERVICES]},
    "http_requests_total": {
        ("service", "operation", "answer"): [
            ("zoom", operation, answer)
            for operation in (
                "token",
                "list_users",
                "get_user",
                "set_status",
                "update_user",
                "revoke_sessions",
                "list_roles",
                "list_groups",
                "group_members",
                "plan_usage",
            )
            for answer in ("ok", "refused", "unauthorized", "throttled", "server_error", "network_error")
        ]
    },
    "http_request_duration_seconds_count": {("service", "operation"): [("zoom", "token"), ("kubernetes", "lease")]},
}


@pytest.fixture
def crew(company: Company) -> Company:
    """Thirty people in step; a daemon that runs one cycle at its start and then only when asked."""
    company.staff(30)
    company.configure({"mode": "enforce", "schedule": {"interval": "6h", "jitter": "0s"}})
    return company


def test_every_metric_and_every_child_exists_from_the_start(crew: Company) -> None:
    """Also while the first cycle has not ended, and whatever the mode: an alert must be able to trust absence."""
    crew.zoom.faults.add(faults.slow(5), "list_users", times=None)
    with crew.running() as daemon:
        daemon.wait_ready()
        assert [] == daemon.cycles()
        series = daemon.metrics()
        daemon.kill()

    wanted = {f"syncd_{name}" for name in PLAIN}
    for name, labelled in LABELLED.items():
        for labels, children in labelled.items():
            for child in children:
                words = sorted(zip(labels, child, strict=True))
                wanted.add(f"syncd_{name}{{{','.join(f'{label}={chr(34)}{word}{chr(34)}' for label, word in words)}}}")
    assert set() == wanted - {in_order(name) for name in series}
    assert any(name.startswith("syncd_build_info{") for name in series)
    assert 0 == series["syncd_last_success_timestamp_seconds"]


def in_order(series: str) -> str:
    """A series' name with its labels sorted."""
    name, brace, labels = series.partition("{")
    return f"{name}{{{','.join(sorted(labels.removesuffix('}').split(',')))}}}" if brace else name


def test_endpoints_answer_and_a_request_starts_a_cycle(crew: Company) -> None:
    """Health, readiness, a page without addresses, the trigger with its token, and numbers that fit the world."""
    crew.account("boss", role_id="1")
    with crew.running() as daemon:
        daemon.wait_cycles(1)
        assert (200, 200) == (daemon.get("/healthz")[0], daemon.get("/readyz")[0])
        assert [401, 401, 405] == [
            daemon.get("/sync", method="POST")[0],
            daemon.get("/sync", method="POST", token="no")[0],
            daemon.get("/sync")[0],
        ]
        assert [404, 405] == [daemon.get("/nothing")[0], daemon.get("/metrics", method="POST")[0]]
        crew.account("absent", type=2)
        before = daemon.metrics()["syncd_ledger_head_sequence"]
        daemon.sync()
        assert ["request"] == [event["trigger"] for event in daemon.events("cycle.started")][1:]

        status, page = daemon.get("/")
        series = daemon.metrics()
        wait_until(lambda: daemon.metrics()["syncd_next_cycle_timestamp_seconds"] > time.time(), "the next cycle is announced")
    assert 200 == status
    assert "<html" in page
    assert [] == ADDRESS.findall(page)
    assert TRIGGER not in page
    assert (30, 30) == (series["syncd_directory_people"], series["syncd_directory_entitled"])
    assert 32 == series['syncd_zoom_accounts{status="active"}']
    assert 1 == series['syncd_manual_accounts{reason="protected"}']
    assert 1 == series['syncd_effects_total{action="deactivate",result="done"}']
    assert 1 == series["syncd_licences_released_total"]
    assert series['syncd_phase_duration_seconds_count{phase="report"}'] in (1, 2)  # the second may still be filing
    assert 1 == series["syncd_offboarding_delay_seconds_count"]
    assert 0 == series["syncd_oldest_overdue_timestamp_seconds"]
    assert 1 == series["syncd_leader"]
    assert before < series["syncd_ledger_head_sequence"]
    assert ["in_step", "applied"] == daemon.cycles()
    assert series["syncd_ledger_head_sequence"] <= crew.entries()[-1]["seq"]
    assert [] == ADDRESS.findall(daemon.log.read_text(encoding="utf-8"))


def test_cycles_come_by_schedule(crew: Company) -> None:
    """An interval of a second: several cycles without being asked, the trigger is ``schedule``."""
    crew.configure({"schedule.interval": "1s"})
    with crew.running() as daemon:
        daemon.wait_cycles(3)
        assert {"schedule"} == {event["trigger"] for event in daemon.events("cycle.started")}
    starts = [entry for entry in crew.entries() if entry["kind"].startswith("cycle.")]
    assert 3 <= len(starts)


def test_the_second_process_stands_by_and_takes_over(crew: Company) -> None:
    """While the first one is in a cycle: ready, healthy, not leading, changing nothing; without a trigger token there is no
    /sync. When the first one dies, the second one leads; a standby ends at once when asked."""
    crew.enforcing()
    crew.account("absent")
    read = crew.zoom.faults.add(faults.slow(60), "list_users")
    with crew.running() as first:
        first.wait(lambda: read.hits, "its cycle began")
        crew.configure({"http.trigger_token_file": None})
        with crew.running() as second:
            second.wait(lambda: second.events("leadership.awaited"), "standing by")
            assert (200, 200, 404) == (
                second.get("/readyz")[0],
                second.get("/healthz")[0],
                second.get("/sync", method="POST", token=TRIGGER)[0],
            )
            assert 0 == second.metrics()["syncd_leader"]
            with crew.running() as third:
                third.wait(lambda: third.events("leadership.awaited"), "standing by")
                code, seconds = third.terminate()
            assert 0 == code
            assert seconds < STOP_SECONDS
            assert [] == second.cycles()
            first.kill()
            second.wait_cycles(1)
            assert 1 == second.metrics()["syncd_leader"]
    assert [("absent", "deactivate")] == crew.written()


def test_apply_beside_a_running_daemon_waits_only_for_its_cycle(crew: Company) -> None:
    """Between two cycles the lock is free."""
    with crew.running() as daemon:
        daemon.wait_cycles(1)
        crew.account("absent")

        assert 0 == crew.syncd("account", "deactivate", "absent@corp.example", *WHO).code

    assert [("absent", "deactivate")] == crew.written()


# ---------------------------------------------------------------------------------------------------------- stopping


def test_sigterm_between_two_cycles_exits_zero(crew: Company) -> None:
    """And says goodbye without a traceback."""
    with crew.running() as daemon:
        daemon.wait_cycles(1)
        code, seconds = daemon.terminate()

    assert 0 == code
    assert seconds < STOP_SECONDS
    assert "Traceback" not in daemon.log.read_text(encoding="utf-8")


def test_sigterm_during_a_slow_read_exits_zero_in_time(crew: Company) -> None:
    """A read may hang far longer than the promised 10 s."""
    crew.zoom.faults.add(faults.slow(60), "list_users", times=None)
    with crew.running() as daemon:
        daemon.wait(lambda: crew.zoom.oauth.issued, "the read began")
        code, seconds = daemon.terminate()

    assert 0 == code
    assert seconds < STOP_SECONDS


def test_sigterm_in_the_middle_of_a_write_leaves_it_to_the_next_cycle(crew: Company) -> None:
    """Exit 0 within 10 s; the unanswered write is open in the ledger; the next cycle settles it by looking."""
    crew.configure({"zoom.concurrency": 1})
    with crew.running() as daemon:
        daemon.wait_cycles(1)
        crew.leaves("p000", "p001", "p002")
        crew.zoom.faults.add(faults.late_answer(60), "set_status")
        daemon.get("/sync", method="POST", token=TRIGGER)
        daemon.wait(lambda: len(crew.zoom.changes) == 1, "the first write was done")
        code, seconds = daemon.terminate()

    assert 0 == code
    assert seconds < STOP_SECONDS
    assert 1 == len(crew.open_intents())
    crew.zoom.faults.clear()

    after = crew.syncd("apply", "--format", "json")
    assert 0 == after.code
    assert [] == crew.open_intents()
    assert [1, 1, 1] == [
        sum(change.before.email.startswith(name) for change in crew.zoom.changes) for name in ("p000", "p001", "p002")
    ]
    assert 0 == crew.syncd("ledger", "verify").code


def test_what_waits_for_its_turn_is_not_sent_after_sigterm(crew: Company) -> None:
    """Zoom asks everybody to wait 4 s while a change is announced in the ledger already: it ends unsent, though there would be
    time for it; the next cycle makes each of them once."""
    names = ["p000", "p001", "p002"]
    crew.configure({"zoom.share": "20%"})  # six requests a second
    with crew.running() as daemon:
        daemon.wait_cycles(1)
        crew.leaves(*names)
        paused = crew.zoom.faults.add(faults.throttled("seconds", 4), "get_user", skip=3)  # of the last one
        daemon.get("/sync", method="POST", token=TRIGGER)
        daemon.wait(lambda: paused.hits and len(crew.open_intents()) == 1, "an announced change waits")
        sent = crew.written()
        code, seconds = daemon.terminate()

    assert 0 == code
    assert seconds < STOP_SECONDS
    assert [("p000", "deactivate")] == sent == crew.written()
    assert "interrupted" == daemon.cycles()[1]
    assert 0 == crew.syncd("apply").code
    assert [(name, "deactivate") for name in names] == sorted(crew.written())
    assert [] == crew.open_intents()


def test_a_pause_stops_a_cycle_between_two_writes(crew: Company) -> None:
    """The daemon looks before every write: what is in hand ends, the rest is not tried; resume lets it go on."""
    crew.configure({"zoom.concurrency": 1})
    with crew.running() as daemon:
        daemon.wait_cycles(1)
        crew.leaves("p000", "p001", "p002")
        crew.zoom.faults.add(faults.slow(3), "set_status")
        daemon.get("/sync", method="POST", token=TRIGGER)
        daemon.wait(lambda: any(entry["kind"] == "intent" for entry in crew.entries()), "a write began")
        assert 0 == crew.syncd("pause", *WHO).code
        daemon.wait_cycles(2)
        assert "interrupted" == daemon.cycles()[1]
        assert 1 == len(crew.zoom.changes)
        wait_until(lambda: daemon.metrics()["syncd_paused"] == 1, "the pause shows between two cycles")
        assert 0 == crew.syncd("resume", *WHO).code
        wait_until(lambda: daemon.metrics()["syncd_paused"] == 0, "the end of the pause shows")
        daemon.sync()
        assert "applied" == daemon.cycles()[2]
        assert 3 == len(crew.zoom.changes)
        assert 0 == daemon.metrics()["syncd_paused"]


# ------------------------------------------------------------------------------------------- trouble that comes and goes


def test_a_broken_directory_is_told_and_forgotten_when_it_is_well_again(crew: Company) -> None:
    """Unreadable cycles change nothing and do not end the daemon."""
    with crew.running() as daemon:
        daemon.wait_cycles(1)
        crew.people.write_text("", encoding="utf-8")
        daemon.sync()
        success = daemon.metrics()["syncd_last_success_timestamp_seconds"]
        crew.leaves("p000")
        daemon.sync()

        assert ["in_step", "unreadable", "applied"] == daemon.cycles()
        assert success < daemon.metrics()["syncd_last_success_timestamp_seconds"]
        assert 200 == daemon.get("/healthz")[0]
    assert [("p000", "deactivate")] == crew.written()


def test_a_rotated_secret_is_picked_up_without_a_restart(crew: Company) -> None:
    """Wrong credentials are unreadable; the new secret file works at the next cycle; a missing one does no harm either."""
    with crew.running() as daemon:
        daemon.wait_cycles(1)
        crew.zoom.oauth.client_secret = "rotated-secret-word"
        crew.zoom.oauth.expire_all(datetime.now(UTC))
        daemon.sync()
        (crew.folder / "zoom-secret").unlink()
        daemon.sync()
        (crew.folder / "zoom-secret").write_text("rotated-secret-word\n", encoding="utf-8")
        daemon.sync()

        assert ["in_step", "unreadable", "unreadable", "in_step"] == daemon.cycles()
    assert "fault.met" not in {event["event"] for event in daemon.events()}
    assert "rotated-secret-word" not in daemon.log.read_text(encoding="utf-8")


def test_last_success_survives_a_restart(crew: Company) -> None:
    """Read from the ledger at start, before any cycle of the new process ended."""
    with crew.running() as daemon:
        daemon.wait_cycles(1)
        success = daemon.metrics()["syncd_last_success_timestamp_seconds"]
        assert success
    crew.zoom.faults.add(faults.slow(20), "list_users", times=None)
    with crew.running() as daemon:
        daemon.wait_ready()
        assert abs(success - daemon.metrics()["syncd_last_success_timestamp_seconds"]) < 1
        assert [] == daemon.cycles()
        daemon.kill()


def test_a_held_plan_is_approved_beside_the_daemon(crew: Company) -> None:
    """Held in metrics and on the page; after the approval the next cycle carries it out and nothing is held."""
    crew.configure({"guards.max_deactivations": 1})
    with crew.running() as daemon:
        daemon.wait_cycles(1)
        crew.leaves("p000", "p001", "p002")
        daemon.sync()
        series = daemon.metrics()
        assert (1, 1) == (series["syncd_held"], series['syncd_guard_tripped{guard="max-deactivations"}'])
        assert series["syncd_oldest_overdue_timestamp_seconds"] > 0
        assert "max-deactivations" in daemon.get("/")[1]
        assert [] == crew.zoom.writes

        crew.approve_what_is_held()
        daemon.sync()
        series = daemon.metrics()
        assert (0, 0) == (series["syncd_held"], series['syncd_guard_tripped{guard="max-deactivations"}'])
    assert 3 == len(crew.zoom.changes)


def test_a_ledger_tampered_with_under_a_running_daemon_stops_all_changes(crew: Company) -> None:
    """The next cycle sees it: no write, a metric, no success; every verb says 6."""
    with crew.running() as daemon:
        daemon.wait_cycles(1)
        tamper(crew)
        crew.leaves("p000")
        daemon.sync()

        assert daemon.cycles()[1] in ("held", "failed")
        assert 1 == daemon.metrics()['syncd_guard_tripped{guard="ledger-broken"}']
    assert [] == crew.zoom.writes


def tamper(company: Company) -> None:
    """Somebody with the file rewrites history: the last entry says something else."""
    with contextlib.closing(sqlite3.connect(company.ledger)) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f"DROP TRIGGER {name}")
        database.execute(
            "UPDATE chain SET body = replace(body, 'enforce', 'report') WHERE seq = (SELECT max(seq) FROM chain "
            "WHERE body LIKE '%enforce%')"
        )
        database.commit()


def test_a_port_in_use_is_a_configuration_error(crew: Company) -> None:
    """2 with the address, before any cycle."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        crew.configure({"http.listen": f"127.0.0.1:{taken.getsockname()[1]}"})

        ran = crew.syncd("run")

    assert 2 == ran.code
    assert "http.listen" in ran.err
    assert [] == crew.zoom.requests


#: What the idle daemon of a small company keeps in memory, with room for other builds of Python; what was measured stands in
#: docs/explanation/speed.md.
IDLE_MIB_MAX = 75.0


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads what a process keeps from Linux's /proc")
def test_it_idles_in_what_it_needs(company: Company) -> None:
    """After a cycle with its report: no library of another directory, of signatures or of PostgreSQL was loaded on the way,
    nor the one that read the configuration; and the memory stays below a ceiling."""
    company.staff(5)
    company.configure({"mode": "enforce"})
    with company.running() as daemon:
        daemon.wait_cycles(1)
        daemon.sync()
        daemon.wait_cycles(2)
        process = Path(f"/proc/{daemon.process.pid}")
        loaded = (process / "maps").read_text(encoding="utf-8")
        (kept,) = re.findall(r"(?m)^VmRSS:\s+(\d+) kB$", (process / "status").read_text(encoding="utf-8"))

    libraries = set(re.findall(r"/site-packages/([^/\n]+)/", loaded))
    assert {"msgspec", "yaml"} & libraries  # what it does need is seen this way
    assert set() == libraries & {"pydantic_core", "cryptography", "psycopg_binary", "charset_normalizer", "cffi"}
    assert int(kept) / 1024 < IDLE_MIB_MAX

"""``syncd run`` tells the truth about itself: which side is in trouble, that its ledger is gone, that a scope came meanwhile."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from syncd.lab import faults
from tests.acceptance.company import TRIGGER, Company, Daemon, clean_environment, wait_until


@pytest.fixture
def crew(company: Company) -> Company:
    """Thirty people in step; a daemon that runs one cycle at its start and then only when asked."""
    company.staff(30)
    company.configure({"mode": "enforce", "schedule": {"interval": "6h", "jitter": "0s"}})
    return company


def unreadable(daemon: Daemon) -> list[float]:
    series = daemon.metrics()
    return [series[f'syncd_unreadable{{source="{source}"}}'] for source in ("directory", "zoom", "configuration")]


def another_cycle(daemon: Daemon) -> None:
    known = len(daemon.cycles())
    daemon.get("/sync", method="POST", token=TRIGGER)
    daemon.wait_cycles(known + 1)


def test_the_side_in_trouble_is_named_and_the_rows_go_on_after_a_restart(crew: Company) -> None:
    """Zoom's list never ties: not the directory's fault. The last line of the cycle says why and what to do."""
    with crew.running() as daemon:
        daemon.wait_cycles(1)
        assert [0, 0, 0] == unreadable(daemon)
        crew.zoom.faults.add(faults.field_set("total_records", 7), "list_users", times=None, status="active")
        another_cycle(daemon)
        series = daemon.metrics()
        assert [0, 1, 0] == unreadable(daemon)
        assert 1 == series['syncd_cycles_in_a_row{result="unreadable"}']
        assert 0 < series["syncd_last_good_cycle_timestamp_seconds"] < series["syncd_last_cycle_timestamp_seconds"]
        ends = [json.loads(line) for line in daemon.log.read_text().splitlines() if '"cycle.finished"' in line]
        assert "not whole" in ends[-1]["why"]
        assert ends[-1]["do"]
        assert "why" not in ends[0]
    with crew.running() as daemon:
        daemon.wait_cycles(1)
        series = daemon.metrics()
        assert 2 == series['syncd_cycles_in_a_row{result="unreadable"}']
        assert series["syncd_last_good_cycle_timestamp_seconds"] > 0
        assert series["syncd_ledger_opened_timestamp_seconds"] > 0
        assert (1, 21_600) == (series['syncd_mode{mode="enforce"}'], series["syncd_interval_seconds"])


def test_a_scope_granted_while_it_runs_counts_in_the_next_cycle(crew: Company) -> None:
    """The token of an hour ago does not have it; nobody restarts anything."""
    crew.zoom.oauth.scopes -= {"user:read:list_users:admin"}
    with crew.running() as daemon:
        daemon.wait_cycles(1)
        assert [0, 1, 0] == unreadable(daemon)
        crew.zoom.oauth.scopes |= {"user:read:list_users:admin"}
        another_cycle(daemon)
        assert [0, 0, 0] == unreadable(daemon)


def test_readiness_tells_that_the_ledger_is_gone(crew: Company) -> None:
    """A volume that was lost under a running daemon; health does not end it, for a restart would begin a new ledger."""
    with crew.running() as daemon:
        daemon.wait_cycles(1)
        for path in Path(crew.ledger).parent.glob(Path(crew.ledger).name + "*"):
            path.rename(path.with_name("kept-" + path.name))
        daemon.wait(lambda: daemon.get("/readyz")[0] == 503, "not ready")
        assert "the ledger cannot be read" in daemon.get("/readyz")[1]
        assert 200 == daemon.get("/healthz")[0]


def test_a_sigterm_right_after_the_start_ends_it_and_nothing_is_sent(crew: Company) -> None:
    """However early it comes."""
    with crew.running() as daemon:
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(30) in (0, -signal.SIGTERM)  # the latter before the first instruction
        assert [] == crew.zoom.requests


def interrupted(crew: Company, verb: tuple[str, ...], struck: Callable[[], object], by: signal.Signals) -> int:
    """Starts a one-shot verb, sends it a signal once something holds; its exit code."""
    with (crew.folder / "one-shot.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "syncd", *verb],
            cwd=crew.folder,
            env={**clean_environment(), "SYNCD_CONFIG": str(crew.config)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            wait_until(struck, "it began", alive=lambda: process.poll() is None)
            process.send_signal(by)
            return process.wait(30)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


@pytest.mark.parametrize(("by", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_verb_that_only_reads_ends_at_once_with_the_code_of_the_signal(crew: Company, by: signal.Signals, code: int) -> None:
    """As the reference says; and it leaves no traceback on the terminal."""
    read = crew.zoom.faults.add(faults.slow(60), "list_users", times=None)
    assert code == interrupted(crew, ("plan",), lambda: read.hits, by)
    assert "Traceback" not in (crew.folder / "one-shot.log").read_text()


def test_a_verb_that_changes_ends_its_write_and_begins_no_other(crew: Company) -> None:
    """Exit 5 with what was done; the next cycle does the rest."""
    crew.enforcing()
    crew.configure({"zoom.concurrency": 1})
    crew.leaves("p000", "p001", "p002")
    written = crew.zoom.faults.add(faults.late_answer(1), "set_status")
    assert 5 == interrupted(crew, ("apply",), lambda: written.hits, signal.SIGINT)
    assert [("p000", "deactivate")] == crew.written()
    assert [] == crew.open_intents()
    assert "Traceback" not in (crew.folder / "one-shot.log").read_text()
    assert 0 == crew.syncd("apply").code
    assert 3 == len(crew.written())

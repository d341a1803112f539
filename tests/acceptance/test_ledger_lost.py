"""A ledger that is new, lost, old, or ends in the future: nothing is changed until a person says that it is meant; and the
runbook from a lost ledger to a running daemon, word for word."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from syncd.ledger import record
from syncd.ledger.storage.store import SqlLedger
from tests.acceptance.company import WHO, Company
from tests.ledgers import HandClock, untold

RUNBOOK = Path(__file__).parents[2] / "docs" / "how-to" / "ledger-lost-or-old.md"


@pytest.fixture
def crew(company: Company) -> Company:
    """Twenty people in step, enforced; nobody has accepted anything for the company's operators."""
    company.accepts_new = False
    company.staff(20)
    company.configure({"mode": "enforce", "guards": {"max_deactivations": 10, "max_deactivations_percent": "100%"}})
    return company


def reviewed(crew: Company) -> None:
    """Accepted, and in enforcing use: ``policy-changed`` is at rest."""
    assert 0 == crew.syncd("ledger", "accept", *WHO).code
    assert 0 == crew.syncd("apply").code


def kept_aside(crew: Company) -> Path:
    """A nightly copy of the ledger, made by copying the file at rest."""
    copy = crew.folder / "nightly.db"
    shutil.copy(crew.ledger, copy)
    return copy


# ------------------------------------------------------------------------------------------------------- new and lost


def test_a_ledger_begun_in_enforce_mode_holds_until_it_is_accepted(crew: Company) -> None:
    """Part C 3: the first leaver is not deactivated within seconds, and each further cycle holds too."""
    crew.leaves("p000")
    for _ in range(2):
        ran = crew.syncd("apply", "--format", "json")
        assert (3, True) == (ran.code, "ledger-new" in ran.tripped())
    assert [] == crew.written()

    accepted = crew.syncd("ledger", "accept", *WHO)
    assert (0, True) == (accepted.code, "accepted as new" in accepted.out)
    assert "ledger-new" not in crew.syncd("apply", "--format", "json").tripped()


def test_accepting_may_come_first_and_makes_the_ledger(crew: Company) -> None:
    """Then the first cycle is like any other, and nobody is paused."""
    reviewed(crew)
    assert "nothing had to be" in crew.syncd("ledger", "accept", *WHO).out
    assert 1 == sum(entry["kind"] == "ledger.accepted" for entry in crew.entries())


def test_a_ledger_begun_in_report_mode_is_no_new_one(crew: Company) -> None:
    """It was looked at before anything was enforced."""
    crew.configure({"mode": "report"})
    with crew.running() as daemon:
        daemon.wait_cycles(1)
    crew.configure({"mode": "enforce"})
    assert [] == crew.syncd("apply", "--format", "json").tripped()


def test_a_lost_ledger_is_told_by_the_reports_that_are_still_there(crew: Company) -> None:
    """Holds and pause are gone with it; an accepted one waits, paused, until somebody resumes."""
    reviewed(crew)
    crew.syncd("account", "hold", "p000@corp.example", *WHO)
    crew.leaves("p000")
    shutil.rmtree(crew.ledger.parent)

    ran = crew.syncd("apply", "--format", "json")
    assert 3 == ran.code
    assert {"ledger-new", "ledger-rolled-back"} <= set(ran.tripped())
    assert [] == crew.written()

    accepted = crew.syncd("ledger", "accept", *WHO)
    assert "paused" in accepted.out
    assert ["paused"] == [guard for guard in crew.syncd("apply", "--format", "json").tripped() if guard != "policy-changed"]


def test_a_plan_beside_a_lost_ledger_says_so_and_writes_nothing(crew: Company) -> None:
    """It is judged in a dry run too."""
    reviewed(crew)
    shutil.rmtree(crew.ledger.parent)

    ran = crew.syncd("plan", "--format", "json")

    assert {"ledger-new", "ledger-rolled-back"} <= set(ran.tripped())
    assert not crew.ledger.exists()


# ---------------------------------------------------------------------------------------------------------------- old


def test_a_nightly_copy_put_back_changes_nobody_again(crew: Company) -> None:
    """Part C 2: what the reports and the file beside the ledger know is not forgotten; after it is accepted approvals are void,
    the policy waits for a review, and syncd is paused."""
    reviewed(crew)
    copy = kept_aside(crew)
    crew.leaves("p000", "p001")
    assert 0 == crew.syncd("apply").code
    crew.syncd("pause", *WHO)
    for name in ("p000", "p001"):  # somebody brings them back by hand in the portal
        crew.zoom.tenant.put(replace(crew.zoom.tenant.existing(f"{name}@corp.example"), status="active"))
    shutil.copy(copy, crew.ledger)
    before = len(crew.written())

    ran = crew.syncd("apply", "--format", "json")
    assert (3, True) == (ran.code, "ledger-rolled-back" in ran.tripped())
    assert before == len(crew.written())
    assert "FAIL  ledger: 2 published heads are not in it" in crew.syncd("check").out

    accepted = crew.syncd("ledger", "accept", *WHO)
    assert "changes are paused" in accepted.out
    then = crew.syncd("apply", "--format", "json")
    assert (["paused", "policy-changed"], 3) == (then.tripped(), then.code)
    body = next(entry["body"] for entry in reversed(crew.entries()) if entry["kind"] == "ledger.accepted")
    assert len(body["missing_heads"]) >= 2
    assert before == len(crew.written())


def test_a_log_that_was_removed_after_a_kill_hides_no_change(crew: Company) -> None:
    """Part C 2: SQLite has what was written last in ``-wal``. Without it nobody is changed; once that is accepted, those whom
    syncd switched off count as others' and are named, so that whoever is entitled again is not left out in silence."""
    reviewed(crew)
    gone = ["p000", "p001", "p002"]
    rows = {name: crew.rows[name] for name in gone}
    with crew.running() as daemon:
        daemon.wait_cycles(1)
        crew.leaves(*gone)
        daemon.sync()
        daemon.kill()
    crew.configure({"http.listen": None})
    assert {"inactive"} == {crew.status(name) for name in gone}
    log = crew.ledger.with_name("ledger.db-wal")
    assert log.stat().st_size
    for ending in ("-wal", "-shm"):
        crew.ledger.with_name(f"ledger.db{ending}").unlink()
    crew.rows |= rows
    crew.save()
    before = len(crew.written())

    ran = crew.syncd("apply", "--format", "json")
    assert (3, True) == (ran.code, "ledger-rolled-back" in ran.tripped()), ran.said
    assert before == len(crew.written())
    accepted = crew.syncd("ledger", "accept", *WHO)
    assert "paused" in accepted.out
    plan = crew.syncd("plan", "--format", "json")
    assert {("keep", "deactivated_by_others")} == {plan.action_of(f"{name}@corp.example") for name in gone}


@pytest.mark.parametrize("lost", ["reports", "head"])
def test_one_witness_is_enough(crew: Company, lost: str) -> None:
    """The file beside the ledger, or the reports."""
    reviewed(crew)
    copy = kept_aside(crew)
    crew.leaves("p000")
    assert 0 == crew.syncd("apply").code
    shutil.copy(copy, crew.ledger)
    if lost == "reports":
        shutil.rmtree(crew.reports)
    else:
        crew.ledger.with_name("ledger.db.head").unlink()

    for _ in range(3):  # what a held cycle writes does not hide it
        assert "ledger-rolled-back" in crew.syncd("apply", "--format", "json").tripped()


def test_only_the_heads_that_were_named_stop_counting(crew: Company) -> None:
    """A second roll-back is a new one."""
    reviewed(crew)
    copy = kept_aside(crew)
    crew.syncd("apply")
    shutil.copy(copy, crew.ledger)
    assert 0 == crew.syncd("ledger", "accept", *WHO).code
    assert "ledger-rolled-back" not in crew.syncd("apply", "--format", "json").tripped()
    shutil.copy(copy, crew.ledger)

    assert "ledger-rolled-back" in crew.syncd("apply", "--format", "json").tripped()


def test_a_backup_goes_back_and_asks_to_be_accepted(crew: Company) -> None:
    """What was lost is recorded; what was there lies aside; one that lost nothing asks for nothing."""
    reviewed(crew)
    assert 0 == crew.syncd("ledger", "backup", str(crew.folder / "copy.db")).code
    crew.leaves("p000")
    assert 0 == crew.syncd("apply").code

    put = crew.syncd("ledger", "restore", str(crew.folder / "copy.db"))
    assert (0, True) == (put.code, "syncd ledger accept" in put.out), put.said
    assert 1 == len(list(crew.ledger.parent.glob("ledger.db.before-restore-*")))
    assert "ledger-rolled-back" in crew.syncd("apply", "--format", "json").tripped()
    assert 0 == crew.syncd("ledger", "accept", *WHO).code
    assert ["paused"] == [guard for guard in crew.syncd("apply", "--format", "json").tripped() if guard != "policy-changed"]

    assert 0 == crew.syncd("ledger", "backup", str(crew.folder / "again.db")).code
    assert "nothing was lost" in crew.syncd("ledger", "restore", str(crew.folder / "again.db")).out
    assert "ledger-rolled-back" not in crew.syncd("apply", "--format", "json").tripped()


def test_a_backup_goes_back_where_the_ledgers_folder_is_gone(crew: Company) -> None:
    """The folder is made, as ``apply`` and ``ledger accept`` make it; nothing is made for a file that is no backup."""
    reviewed(crew)
    copy = crew.folder / "copy.db"
    assert 0 == crew.syncd("ledger", "backup", str(copy)).code
    shutil.rmtree(crew.ledger.parent)
    assert 2 == crew.syncd("ledger", "restore", str(crew.folder / "none.db")).code
    assert not crew.ledger.parent.exists()

    put = crew.syncd("ledger", "restore", str(copy))

    assert (0, True) == (put.code, "what there was before is not known" in put.out), put.said
    assert 0o750 == crew.ledger.parent.stat().st_mode & 0o777
    assert 0 == crew.syncd("ledger", "accept", *WHO).code


# ----------------------------------------------------------------------------------------------------------- odd heads


@pytest.mark.parametrize(
    ("seq", "hash_"),
    [(True, "a" * 64), (2**63, "a" * 64), (10**25, "a" * 64), (7, "\ud800"), (7, "\ud800" * 64), ("7", "A" * 64)],
)
def test_an_odd_head_in_the_list_stops_nobody_and_is_found(crew: Company, seq: object, hash_: str) -> None:
    """It is no end of any ledger: nothing of it is written into the chain, and ``verify`` names the line."""
    reviewed(crew)
    listing = crew.reports / "cycles.jsonl"
    line = json.loads(listing.read_text().splitlines()[-1]) | {"head_sequence": seq, "head_hash": hash_}
    with listing.open("a") as out:
        out.write(json.dumps(line) + "\n" + json.dumps(line | {"cycle_id": "\ud800\x1b[2J"}) + "\n")

    before = crew.entries()
    assert 0 == crew.syncd("check").code
    assert 0 == crew.syncd("plan").code
    accepted = crew.syncd("ledger", "accept", *WHO)
    assert (0, True) == (accepted.code, "nothing had to be" in accepted.out), accepted.said
    assert before == crew.entries()
    assert 0 == crew.syncd("apply").code
    verified = crew.syncd("ledger", "verify")
    assert 6 == verified.code
    assert f"the line of cycle {line['cycle_id']} says something else of its head_sequence" in verified.out, verified.said
    assert "cycles that the ledger does not know; do not rely on them: \\ud800\\u001b[2J" in verified.out


@pytest.mark.parametrize(
    "text", [f"{10**25} {'a' * 64}\n", f"{2**63} {'a' * 64}\n", f"True {'a' * 64}\n", f"7 {'A' * 64}\n", "7 abc"]
)
def test_an_odd_head_beside_the_ledger_stops_nobody(crew: Company, text: str) -> None:
    """It is as if none was kept there, which ``verify`` says; the next entry writes it anew."""
    reviewed(crew)
    head = crew.ledger.with_name("ledger.db.head")
    head.write_text(text)
    assert 0 == crew.syncd("check").code
    verified = crew.syncd("ledger", "verify")
    assert (0, True) == (verified.code, "no head is kept beside the ledger" in verified.out), verified.said

    assert 0 == crew.syncd("pause", *WHO).code
    assert re.fullmatch(rf"{crew.entries()[-1]['seq']} [0-9a-f]{{64}}\n", head.read_text())


def test_a_head_to_look_for_is_one(crew: Company) -> None:
    """An empty one, of a variable that was never set, would look for nothing and find it; whatever no entry has is not there."""
    reviewed(crew)
    for nothing in ("", " "):
        empty = crew.syncd("ledger", "verify", "--head", nothing)
        assert (2, True) == (empty.code, "--head: is empty" in empty.err), empty.said
    for other in ("0" * 64, "7", "\udcff" * 64, "true"):
        assert 6 == crew.syncd("ledger", "verify", "--head", other).code, other


# ------------------------------------------------------------------------------------------------------ other clocks


def appended(crew: Company, ahead: timedelta, *drafts: object) -> None:
    """By a machine whose clock is so far ahead."""

    async def append() -> None:
        clock = HandClock(datetime.now(UTC) + ahead)
        ledger = SqlLedger.open(f"sqlite:///{crew.ledger}", clock, untold, create=True)
        await ledger.append(list(drafts))  # type: ignore[arg-type]
        await ledger.close()

    asyncio.run(append())


def test_an_entry_from_a_clock_30_days_ahead_holds_everything_until_it_is_accepted(crew: Company) -> None:
    """Part C 1: the daily limit counts by the time that was measured, before and after."""
    crew.configure({"guards.max_deactivations_per_day": 3, "guards.max_directory_shrink_percent": "100%"})
    reviewed(crew)
    crew.leaves("p000", "p001")
    assert 0 == crew.syncd("apply").code
    appended(crew, timedelta(days=30), record.held("nobody", by="Ann", because="laptop", until=None, personal=None))
    crew.leaves("p002", "p003")

    for _ in range(2):
        ran = crew.syncd("apply", "--format", "json")
        assert 3 == ran.code
        assert {"clock-skew", "max-deactivations-per-day"} <= set(ran.tripped())
    check = crew.syncd("check")
    assert (4, True) == (check.code, "FAIL  clock: the ledger ends" in check.out)
    accepted = crew.syncd("ledger", "accept", *WHO)
    assert "in the future" in accepted.out
    said = next(entry for entry in reversed(crew.entries()) if entry["kind"] == "ledger.accepted")
    assert said["body"]["clock_unverified"]  # no service was asked: a machine that runs ahead moves the end no farther
    assert "FAIL  clock" not in crew.syncd("check").out
    assert ["max-deactivations-per-day"] == crew.syncd("apply", "--format", "json").tripped()
    assert "ok    clock: the ledger's latest time" in crew.syncd("check").out
    assert 2 == len(crew.written())


def test_a_machine_with_a_wrong_clock_writes_nothing_but_pauses_and_holds(crew: Company) -> None:
    """Zoom's time says so: its cycles are held and leave no trace, its verbs are refused in words."""
    reviewed(crew)
    crew.zoom.clock_skew = timedelta(hours=2)
    crew.leaves("p000")
    before = [entry["kind"] for entry in crew.entries()]

    ran = crew.syncd("apply", "--format", "json")
    assert (3, True) == (ran.code, "clock-skew" in ran.tripped())
    assert before == [entry["kind"] for entry in crew.entries()]
    held = crew.syncd("account", "deactivate", "p001@corp.example", *WHO)
    assert (3, True) == (held.code, "clock differs from Zoom's" in held.err), held.said
    assert 0 == crew.syncd("pause", *WHO).code
    assert 0 == crew.syncd("account", "hold", "p001@corp.example", *WHO).code
    assert [*before, "pause", "hold"] == [entry["kind"] for entry in crew.entries()]
    assert [] == crew.written()


def test_a_machine_behind_the_ledger_is_refused_where_nobody_tells_the_time(crew: Company) -> None:
    """Which of the two clocks is wrong is for a person to find."""
    reviewed(crew)
    appended(crew, timedelta(hours=2), record.held("nobody", by="Ann", because="laptop", until=None, personal=None))
    crew.configure({"zoom.token_url": "http://127.0.0.1:1/oauth/token", "zoom.api_url": "http://127.0.0.1:1/v2"})

    assert 0 == crew.syncd("pause", *WHO).code
    assert crew.entries()[-1]["body"]["clock_unverified"]
    refused = crew.syncd("resume", *WHO)  # the pause, whose time nobody checked, does not hide the tip

    assert (3, True) == (refused.code, "One of the two clocks is wrong" in refused.err), refused.said


# ------------------------------------------------------------------------------------------------------- the runbook


def commands() -> list[str]:
    """The lines of the runbook's first path that begin with ``syncd``."""
    text = RUNBOOK.read_text(encoding="utf-8")
    path = text[text.index("## The ledger is lost") : text.index("## ", text.index("## The ledger is lost") + 5)]
    return [line for block in re.findall(r"(?ms)^```sh\n(.*?)^```$", path) for line in block.splitlines()]


def test_the_runbook_leads_from_a_lost_ledger_to_a_running_daemon(crew: Company) -> None:
    """Every command as it stands there, in its order; then the daemon deactivates who has left."""
    reviewed(crew)
    crew.syncd("account", "hold", "p000@corp.example", *WHO)
    crew.leaves("p000", "p001")
    shutil.rmtree(crew.ledger.parent)
    assert 3 == crew.syncd("apply").code
    digest = ""
    for line in commands():
        words = shlex.split(line.replace("ADDRESS", "p000@corp.example").replace("DIGEST", digest))[1:]
        if words[0] == "run":
            break
        ran = crew.syncd(*words)
        assert ran.code in ((0, 3) if words[0] == "plan" else (0,)), (line, ran.said)
        if words[0] == "plan":
            digest = crew.syncd("plan", "--format", "json").document["plan_digest"]
    with crew.running() as daemon:
        daemon.wait(lambda: crew.status("p001") == "inactive", "the leaver goes")
    assert "active" == crew.status("p000")


def test_the_manifest_after_a_roll_back_under_a_daemon_is_of_the_ledger_that_was_accepted(crew: Company) -> None:
    """The daemon that ran through it forgets what the lost entries said of files, and does not have to be started anew."""
    reviewed(crew)
    backup = crew.folder / "backup.db"
    assert 0 == crew.syncd("ledger", "backup", str(backup)).code
    crew.configure({"schedule": {"interval": "6h", "jitter": "0s"}})
    with crew.running() as daemon:
        daemon.wait_cycles(1)
        crew.leaves("p000")
        daemon.sync()
        for words in (("ledger", "restore", str(backup)), ("ledger", "accept", *WHO), ("resume", *WHO)):
            assert 0 == (ran := crew.syncd(*words)).code, ran.said
        for _ in range(2):
            daemon.sync()
        assert 0 == daemon.terminate()[0]

    assert 0 == (ran := crew.syncd("ledger", "verify")).code, ran.out

"""SIGKILL at any moment loses nothing: the next cycle settles every open intent by looking at Zoom (section 10)."""

from __future__ import annotations

import os
import random
import time
from collections import Counter

import pytest

from syncd.lab import faults
from tests.acceptance.company import TRIGGER, Company

#: Kills. The long run is part of make night: SYNCD_KILLS=1000 python -m pytest tests/acceptance/test_crash.py -k killed
ROUNDS = int(os.environ.get("SYNCD_KILLS", "11"))
LEAVERS = 6


@pytest.mark.timeout(300 + 10 * ROUNDS)
@pytest.mark.parametrize("seed", [20261125])
def test_killed_at_random_moments_every_decision_is_carried_out_exactly_once(company: Company, seed: int) -> None:
    """A company where people leave and come back, a slow Zoom, and a daemon that is killed in the middle, again and again.

    However it went: nobody entitled was ever touched, each decision was one write, licences are back, nothing is open, and
    the ledger verifies.
    """
    chance = random.Random(seed)
    staff = company.staff(ROUNDS * LEAVERS + 20)
    company.configure(
        {
            "guards": {
                "max_deactivations": 10**6,  # what kills leave undone adds up
                "max_deactivations_percent": 100,
                "max_deactivations_per_day": 10**6,
                "max_deactivations_per_30_days": 10**6,
                "max_reactivations_per_day": 10**6,
                "max_reactivations": 10**6,
                "max_directory_shrink_percent": 99,
                "max_flapping": 10**6,
                "min_match_percent": 1,
            },
            "schedule": {"interval": "6h", "jitter": "0s"},
            "zoom.concurrency": 3,
            "reactivate_reads": 1,
        }
    )
    company.enforcing()
    company.zoom.latency_seconds = 0.04
    expected: Counter[tuple[str, str]] = Counter()
    leaving, gone = iter(staff), list[str]()
    for number in range(ROUNDS):
        leavers = [next(leaving) for _ in range(LEAVERS)]
        inactive = [name for name in gone if company.status(name) == "inactive"]
        back = chance.sample(inactive, min(2, len(inactive)))
        for name in back:
            company.person(name)
        company.leaves(*leavers)
        expected.update([(name, "deactivate") for name in leavers] + [(name, "activate") for name in back])
        killed_in_the_middle(company, chance, f"seed {seed}, round {number}")
        gone = [name for name in gone + leavers if name not in company.rows]
    company.zoom.latency_seconds = 0.0

    last = company.syncd("apply", "--format", "json")
    assert 0 == last.code, last.said
    assert "in_step" == company.syncd("apply", "--format", "json").document["result"]
    assert [] == company.open_intents()
    assert expected == Counter(company.written())
    assert {name for name in staff if name not in company.rows} == {name for name in staff if company.status(name) == "inactive"}
    assert {2} == {company.zoom.tenant.existing(f"{name}@corp.example").type for name in company.rows}
    verified = company.syncd("ledger", "verify", "--head", last.document["ledger"]["head_hash"])
    assert 0 == verified.code, verified.out


def killed_in_the_middle(company: Company, chance: random.Random, what: str) -> None:
    """One daemon, killed somewhere in its first cycle: while reading, or around one of its writes."""
    writes = len(company.zoom.writes) + chance.randrange(LEAVERS)
    with company.running() as daemon:
        if chance.random() < 0.25:
            daemon.wait(lambda: daemon.events("cycle.started"), what)
        else:
            daemon.wait(lambda: len(company.zoom.writes) >= writes or daemon.cycles(), what)
        time.sleep(chance.uniform(0.0, 0.15))
        daemon.kill()


@pytest.mark.timeout(300 + 10 * ROUNDS)
def test_killed_cycles_leave_every_status_and_every_licence_right(company: Company) -> None:
    """People who leave, come back, and leave again before their licence was given back, in cycles that are killed anywhere.

    Whenever a cycle came to its end, every account stands as the directory says and everybody active has the licence they had
    on the first day; no change was made twice in a row, and nobody who stayed was ever touched.
    """
    chance = random.Random(20261128)
    staying = company.staff(12)
    licences = {f"q{number:02}": chance.choice((1, 2, 2)) for number in range(18)}
    for name, licence in licences.items():
        company.person(name)
        company.account(name, type=licence)
    company.configure(
        {
            "guards": {
                "max_deactivations": 10**6,
                "max_deactivations_percent": 100,
                "max_deactivations_per_day": 10**6,
                "max_deactivations_per_30_days": 10**6,
                "max_reactivations_per_day": 10**6,
                "max_reactivations": 10**6,
                "max_directory_shrink_percent": 99,
                "max_flapping": 10**6,
                "min_match_percent": 1,
            },
            "zoom.concurrency": 3,
            "reactivate_reads": 1,
        }
    )
    company.save()
    company.enforcing()
    company.zoom.latency_seconds = 0.01
    began = time.monotonic()
    company.syncd("apply")
    lasts = time.monotonic() - began
    kills = ended = 0
    while kills < ROUNDS or ended < ROUNDS // 4:
        flips(company, chance, list(licences))
        kills += company.killed("apply", "--wait", "0s", after=chance.uniform(0.3, 2.0) * lasts) == -9
        last = kills >= ROUNDS and ended + 1 >= ROUNDS // 4  # what the last kill left open is settled, too
        if last or chance.random() < 0.25:
            ended += 1
            what = f"after {kills} kills"
            done = company.syncd("apply", "--format", "json")
            assert 0 == done.code, f"{what}: {done.said}"
            gone = {name for name in licences if name not in company.rows}
            assert gone == {name for name in [*licences, *staying] if company.status(name) == "inactive"}, what
            assert {name: licence for name, licence in licences.items() if name not in gone} == {
                name: company.zoom.tenant.existing(f"{name}@corp.example").type for name in licences if name not in gone
            }, what

    assert [] == company.open_intents()
    written = company.written()
    assert not {name for name, _ in written} & set(staying)
    for name in licences:
        of_one = [action for who, action in written if who == name]
        assert of_one == [("deactivate", "activate")[place % 2] for place in range(len(of_one))], name
    verified = company.syncd("ledger", "verify")
    assert 0 == verified.code, verified.out


def flips(company: Company, chance: random.Random, names: list[str]) -> None:
    """Some of them leave or come back."""
    for name in chance.sample(names, chance.randint(2, 6)):
        if name in company.rows:
            del company.rows[name]
        else:
            company.person(name)
    company.save()


def test_an_unfinished_licence_restore_is_finished_by_the_next_cycle(company: Company) -> None:
    """Killed between giving the account and giving the licence back."""
    company.staff(20)
    company.enforcing()
    company.leaves("p000")
    company.syncd("apply")
    company.person("p000")
    company.save()
    company.zoom.faults.add(faults.slow(4), "update_user")
    company.configure({"schedule": {"interval": "6h", "jitter": "0s"}, "reactivate_reads": 1})
    with company.running() as daemon:
        daemon.wait(lambda: company.status("p000") == "active", "the account is back")
        daemon.wait(lambda: any(entry["body"].get("action") == "restore_licence" for entry in company.entries()), "the intent")
        daemon.kill()
    assert 1 == company.zoom.tenant.existing("p000@corp.example").type
    company.zoom.faults.clear()

    assert 0 == company.syncd("apply").code

    assert 2 == company.zoom.tenant.existing("p000@corp.example").type
    assert [] == company.open_intents()


def test_a_dry_run_foresees_how_open_intents_are_settled_and_writes_nothing(company: Company) -> None:
    """After a crash ``plan`` shows what ``apply`` will do, beside the open ledger of the dead process."""
    company.staff(20)
    company.configure({"schedule": {"interval": "6h", "jitter": "0s"}})
    company.enforcing()
    company.zoom.faults.add(faults.late_answer(8), "set_status")
    with company.running() as daemon:
        daemon.wait_cycles(1)
        company.leaves("p000")
        daemon.get("/sync", method="POST", token=TRIGGER)
        daemon.wait(lambda: company.zoom.changes, "the write was done")
        daemon.kill()
    before = company.everything_on_disk()

    plan = company.syncd("plan", "--format", "json")

    assert (0, "in_step") == (plan.code, plan.document["result"])
    after = company.everything_on_disk()
    index = "state/ledger.db-shm"  # SQLite's shared memory, which whoever comes after a crash has to set up anew
    assert {**before, index: None} == {**after, index: None}
    assert 1 == len(company.open_intents())

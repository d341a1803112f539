"""Whose clock may write into the ledger: the table, and a ledger that holds to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from syncd.errors import ClockOff
from syncd.ledger import chain, record
from syncd.ledger.chain import START
from syncd.ledger.storage.clocks import demand_clock, newest_measured
from syncd.ledger.storage.store import SqlLedger
from syncd.model import ClockStanding, Draft, LedgerEntry
from tests.ledgers import HandClock, draft, untold, url_of

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
SKEW = 300.0
WHO = {"by": "Ann", "because": "ticket"}


def entry(ahead: float, *, verified: bool = True) -> LedgerEntry:
    """The ledger's last one, from a clock so many seconds ahead."""
    made = Draft("noted", {}, clock_verified=verified)
    return chain.link(made, at=chain.time_text(NOW + timedelta(seconds=ahead)), term=0, previous=START)


U, V, N, R = ClockStanding.UNASKED, ClockStanding.VERIFIED, ClockStanding.UNKNOWN, ClockStanding.REFUTED


@pytest.mark.parametrize(
    ("kind", "term", "standing", "database", "last", "expected"),
    [
        ("approval", 0, V, None, entry(0), True),
        ("approval", 0, U, None, None, True),
        ("approval", 0, U, None, entry(SKEW), True),  # within what is allowed
        ("approval", 0, U, None, entry(SKEW + 1), "One of the two clocks"),
        ("approval", 0, V, None, entry(SKEW + 1), "One of the two clocks"),
        ("approval", 0, N, None, entry(SKEW + 1), "One of the two clocks"),
        ("approval", 0, N, None, entry(SKEW + 1, verified=False), False),  # nobody vouches for that time
        ("approval", 0, N, None, entry(-9e6), False),  # marked, for no service told the time
        ("approval", 0, N, 1.0, entry(0), True),  # the database did
        ("approval", 0, U, SKEW + 1, entry(0), "differs from the database's"),
        ("approval", 0, U, -SKEW - 1, entry(0), "differs from the database's"),
        ("approval", 0, R, None, entry(0), "differs from Zoom's"),
        ("cycle.ended", 7, R, None, entry(0), "differs from Zoom's"),
        ("cycle.ended", 7, N, None, entry(SKEW + 1), "One of the two clocks"),
        ("cycle.ended", 7, V, None, entry(9e6), True),  # a cycle with a verified clock always may
        ("cycle.ended", 7, V, SKEW + 1, entry(0), True),
        *[(kind, 0, R, 9e6, entry(9e6), False) for kind in ("pause", "hold", "ledger.accepted", "ledger.restored")],
        ("pause", 0, N, None, entry(9e6), False),
    ],
)
def test_whose_clock_may_write(
    kind: str, term: int, standing: ClockStanding, database: float | None, last: LedgerEntry | None, expected: bool | str
) -> None:
    """True and False: it may, verified or marked; a text: it is refused in these words."""

    def ask() -> bool:
        return demand_clock(
            NOW,
            kinds={kind},
            term=term,
            standing=standing,
            newest=lambda: newest_measured([last] if last else []),
            max_skew_seconds=SKEW,
            database=NOW + timedelta(seconds=database) if database is not None else None,
        )

    if isinstance(expected, bool):
        assert expected is ask()
        return
    with pytest.raises(ClockOff, match=expected) as refused:
        ask()
    assert (3, True) == (refused.value.exit_code, bool(refused.value.do))


def test_a_pause_opens_no_door_for_what_comes_with_it() -> None:
    """Entries of one append stand and fall together."""
    with pytest.raises(ClockOff):
        demand_clock(
            NOW, kinds={"pause", "approval"}, term=0, standing=R, database=None, newest=lambda: None, max_skew_seconds=SKEW
        )


def test_the_tip_is_the_newest_that_says_the_time() -> None:
    """A pause that nobody vouches for lies over it; what a person accepted ends it."""
    measured, unchecked = entry(9e6), entry(0, verified=False)
    accepted = replace(unchecked, kind="ledger.accepted")

    assert measured is newest_measured([unchecked, measured, entry(0)])
    assert newest_measured([unchecked, accepted, measured]) is None
    assert newest_measured([unchecked]) is None


KINDS: dict[str, Callable[[pytest.FixtureRequest, Path], str]] = {
    "sqlite": lambda _, directory: url_of(directory / "ledger.db"),
    "postgresql": lambda request, _: request.getfixturevalue("postgres_server").database(),
}


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that does not exist yet."""
    return KINDS[request.param](request, tmp_path)


def opened(url: str, ahead: timedelta = timedelta(0)) -> SqlLedger:
    """By a machine whose clock is so far from the right time."""
    return SqlLedger.open(url, HandClock(datetime.now(UTC) + ahead), untold, create=True, max_clock_skew_seconds=SKEW)


async def test_a_machine_behind_the_end_of_the_ledger_may_only_pause(url: str) -> None:
    """With PostgreSQL it is the database that says so."""
    right, behind = opened(url), opened(url, -timedelta(hours=1))
    await right.append([draft(1)])

    with pytest.raises(ClockOff):
        await behind.append([draft(2)])
    await behind.append([record.paused(**WHO)])

    assert ["noted", "pause"] == [one.kind async for one in right.entries()]
    assert (await right.verify()).ok
    await right.close()
    await behind.close()


async def test_what_no_service_vouched_for_is_marked_and_begins_nothing(tmp_path: Path) -> None:
    """Its time is used by no rule: the ledger's end stays where a checked clock put it."""
    url = url_of(tmp_path / "ledger.db")
    right, alone = opened(url), opened(url, timedelta(days=30))
    await right.append([draft(1)])
    before = (await right.history()).tip_at
    alone.clock_is(ClockStanding.UNKNOWN)
    [pause] = await alone.append([record.paused(**WHO)])

    assert json.loads(pause.body)["clock_unverified"]
    assert before == (await right.history()).tip_at
    await right.append([draft(3)])
    await right.close()
    await alone.close()


async def test_a_clock_that_nobody_vouches_for_forgets_nobody(tmp_path: Path) -> None:
    """A machine that starts years ahead with no service in reach: every name looks old to it."""
    clock = HandClock(NOW)
    ledger = SqlLedger.open(
        url_of(tmp_path / "ledger.db"), clock, untold, create=True, max_clock_skew_seconds=SKEW, keep_personal_seconds=86400.0
    )
    await ledger.append([replace(draft(1), subject="z", personal={"email": "ann@corp.example"})], term=1)
    clock.pass_time(2 * 86400.0)
    for standing, kinds in ((N, ["noted", "noted"]), (V, ["noted", "noted", "noted", "personal.blanked"])):
        ledger.clock_is(standing)
        assert (standing is V) == ledger.clock_stands
        await ledger.append([draft(2)], term=1)
        assert kinds == [one.kind async for one in ledger.entries()]
    await ledger.close()


async def test_an_end_in_the_future_lasts_until_it_is_accepted(tmp_path: Path) -> None:
    """Entries of right clocks that come after it do not hide it."""
    url = url_of(tmp_path / "ledger.db")
    right, ahead = opened(url), opened(url, timedelta(days=30))
    [late] = await ahead.append([draft(1)])
    right.clock_is(ClockStanding.VERIFIED)
    async with right.writer(0) as term:
        await right.append([draft(2)], term=term)
    tip = (await right.history()).tip_at
    assert tip is not None
    assert late.at == chain.time_text(tip)

    await right.append([record.accepted(**WHO)])

    tip = (await right.history()).tip_at
    assert tip is not None
    assert tip < datetime.now(UTC) + timedelta(minutes=1)
    await right.close()
    await ahead.close()


@pytest.mark.parametrize(("seconds", "expected"), [(-86400.0, "refused"), (86400.0, "marked"), (SKEW - 1, "verified")])
async def test_a_clock_that_is_set_after_it_was_verified_is_not_known_any_more(
    tmp_path: Path, seconds: float, expected: str
) -> None:
    """In the middle of a cycle: a retention, say, must not begin a day before its account went off."""
    clock = HandClock(NOW)
    ledger = SqlLedger.open(url_of(tmp_path / "ledger.db"), clock, untold, create=True, max_clock_skew_seconds=SKEW)
    ledger.clock_is(ClockStanding.VERIFIED)
    async with ledger.writer(0) as term:
        await ledger.append([draft(1)], term=term)
        clock.pass_time(3600.0)  # a long cycle
        await ledger.append([draft(2)], term=term)
        clock.time += timedelta(seconds=seconds)
        if expected == "refused":
            with pytest.raises(ClockOff):
                await ledger.append([draft(3)], term=term)
        else:
            [last] = await ledger.append([draft(3)], term=term)
            assert (expected == "marked") == json.loads(last.body).get("clock_unverified", False)
    await ledger.close()

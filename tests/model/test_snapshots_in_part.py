"""A part read again takes its place in a whole snapshot: the same as building it anew, whoever came, changed or went."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from syncd.model import DirectoryGroup, GroupUse, Hint, Person, Reread, Status, ZoomAccount
from tests import whole

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
IDS = st.sampled_from("abcdefgh")
PEOPLE = st.dictionaries(IDS, st.sampled_from(["", "x@corp.example", "y@corp.example"])).map(
    lambda found: [Person(id_, (mail,) if mail else ()) for id_, mail in found.items()]
)
ACCOUNTS = st.dictionaries(IDS, st.sampled_from(["m@corp.example", "n@corp.example"])).map(
    lambda found: [ZoomAccount(id_, mail, Status.ACTIVE) for id_, mail in found.items()]
)
INVITED = [ZoomAccount(None, f"{name}@corp.example", Status.PENDING) for name in ("a", "n")]


@given(PEOPLE, st.frozensets(IDS), PEOPLE)
def test_people_read_again_take_their_place(before: list[Person], asked: frozenset[str], now: list[Person]) -> None:
    """Whoever was asked for and is not among them is not there any more; nobody else changes."""
    base = whole.directory("file", NOW, before)
    after = base.with_people(asked, whole.complete(now))

    expected = {one.id: one for one in before if one.id not in asked} | {one.id: one for one in now if one.id in asked}
    assert tuple(sorted(expected.values(), key=lambda one: one.id)) == after.people
    assert [expected.get(id_) for id_ in "abcdefgh"] == [after.find(id_) for id_ in "abcdefgh"]


def test_somebody_asked_for_twice_goes_once() -> None:
    """Whoever stands behind them in the order is not taken for gone, and no group loses two."""
    group = DirectoryGroup("g", "Staff", GroupUse.ENTITLING, 3)
    base = whole.directory("file", NOW, [Person(id_, entitled_by=("Staff",)) for id_ in "abc"], [group])

    after = base.with_people(["a", "a"], whole.complete([]))
    assert ["b", "c"] == [one.id for one in after.people]
    assert [2] == [one.members for one in after.groups]
    assert base.with_people(["a"], whole.complete([])).digest == after.digest


@given(ACCOUNTS, st.frozensets(IDS), ACCOUNTS)
def test_accounts_read_again_take_their_place(before: list[ZoomAccount], asked: frozenset[str], now: list[ZoomAccount]) -> None:
    """An account that is among the answers counts, asked for or not; invitations stay."""
    base = whole.zoom("account", NOW, [*before, *INVITED])
    after = base.with_accounts(asked, whole.complete(now))

    expected = {one.zoom_id: one for one in before if one.zoom_id not in asked} | {one.zoom_id: one for one in now}
    assert (*INVITED, *sorted(expected.values(), key=lambda one: one.zoom_id or "")) == after.accounts
    assert len(expected) == after.count(Status.ACTIVE)
    assert [expected.get(id_) for id_ in "abcdefgh"] == [after.find(id_) for id_ in "abcdefgh"]


@given(PEOPLE, PEOPLE, st.frozensets(IDS))
def test_of_a_whole_reading_whoever_differs_is_asked_for(before: list[Person], now: list[Person], hinted: frozenset[str]) -> None:
    """Also those who came or went, and those of the hint, who may not differ at all."""
    base, later = whole.directory("file", NOW, before), whole.directory("file", NOW, now)

    was, is_ = {one.id: one for one in before}, {one.id: one for one in now}
    differing = {id_ for id_ in was.keys() | is_.keys() if was.get(id_) != is_.get(id_)}
    assert differing | hinted == Reread.of_whole(later, base, Hint(people=hinted)).asked

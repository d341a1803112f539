"""When a lease may be taken: never while somebody who renews it could still be leading, whatever the clocks say."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.leadership.claim import HEAD, LeaseRecord, Observation, may_take, observed, released, taken
from syncd.model import Head
from tests.heads import ODD_LINES

NOW = datetime(2026, 11, 25, 19, 0, tzinfo=UTC)


def record(holder: str = "a", renewed: str = "t1", duration: int = 15, transitions: int = 1) -> LeaseRecord:
    return LeaseRecord(holder, duration, transitions, renewed, "7")


@given(st.floats(0, 1000), st.lists(st.floats(0.1, 14.9), max_size=20))
def test_a_lease_that_keeps_being_renewed_is_never_taken(start: float, gaps: list[float]) -> None:
    """Every renewal seen starts the wait anew, on our own clock."""
    seen, now = observed(None, record(renewed="t0"), start), start
    for number, gap in enumerate(gaps):
        now += gap
        assert not may_take(seen, "b", now)
        seen = observed(seen, record(renewed=f"t{number + 1}"), now)


def test_a_lease_unchanged_for_longer_than_it_lasts_may_be_taken() -> None:
    """Counted from when we first saw it so, not from what its holder's clock wrote."""
    seen = observed(observed(None, record(renewed="2019-01-01T00:00:00Z"), 100.0), record(renewed="2019-01-01T00:00:00Z"), 110.0)
    assert [False, True] == [may_take(seen, "b", 115.0), may_take(seen, "b", 115.1)]


def test_a_free_lease_and_ones_own_may_be_taken_at_once() -> None:
    """Released by its holder, or ours from before."""
    assert [True, True, False] == [may_take(Observation(record(holder), 0.0), "b", 0.0) for holder in ("", "b", "a")]


def test_a_change_of_holder_raises_the_number_and_a_renewal_does_not() -> None:
    """leaseTransitions is the number of the leader; the resourceVersion makes a race lose."""
    won = taken("syncd", "ns", record("a", transitions=4), "b", 15, NOW)
    kept = taken("syncd", "ns", record("b", transitions=5), "b", 15, NOW)
    first = taken("syncd", "ns", None, "b", 15, NOW)
    assert [5, 5, 1] == [body["spec"]["leaseTransitions"] for body in (won, kept, first)]
    assert ["7", "7", None] == [body["metadata"].get("resourceVersion") for body in (won, kept, first)]
    assert "2026-11-25T19:00:00.000000Z" == won["spec"]["acquireTime"]


def test_a_released_lease_names_nobody_and_lasts_a_second() -> None:
    """The next leader need not wait; the number stays, so that it goes on rising."""
    spec = released("syncd", "ns", record("a", transitions=4), NOW)["spec"]
    assert ("", 1, 4) == (spec["holderIdentity"], spec["leaseDurationSeconds"], spec["leaseTransitions"])


def test_the_end_of_the_ledger_travels_with_the_lease() -> None:
    """From holder to holder, until a newer one is published; what others wrote into the annotations stays."""
    seventh, ninth = Head(7, "a" * 64), Head(9, "b" * 64)
    first = taken("syncd", "ns", None, "a", 15, NOW, seventh)
    first["metadata"]["annotations"]["team"] = "iam"
    read = LeaseRecord.of(first)
    assert seventh == read.head
    other = LeaseRecord.of(taken("syncd", "ns", read, "b", 15, NOW))
    given_back = LeaseRecord.of(released("syncd", "ns", other, NOW))
    newer = LeaseRecord.of(taken("syncd", "ns", given_back, "b", 15, NOW, ninth))
    assert [seventh, seventh, ninth] == [other.head, given_back.head, newer.head]
    assert "iam" == newer.annotations["team"]


@pytest.mark.parametrize("annotations", [None, {}, *({HEAD: line} for line in ODD_LINES)])
def test_a_lease_without_a_head_publishes_none(annotations: dict[str, str] | None) -> None:
    """An older syncd's, or one made or spoilt by hand."""
    assert LeaseRecord.of({"metadata": {"annotations": annotations}, "spec": {}}).head is None


def test_a_lease_made_by_hand_is_read_with_defaults() -> None:
    """An empty spec is a free lease."""
    assert LeaseRecord("", 15, 0, "", "3") == LeaseRecord.of({"metadata": {"resourceVersion": "3"}, "spec": None})

"""How long leavers kept access, over a period: percentiles that somebody really had to wait, and who waited longest."""

from __future__ import annotations

from typing import Any

import pytest

from syncd.evidence.lockout import lockout_of
from syncd.reports.period import period_view
from syncd.reports.words import lasting
from tests.reports import october


def row(number: int, seconds: float | None, *, done: bool = True) -> dict[str, Any]:
    return {
        "zoom_id": f"z{number:03}",
        "email": f"p{number:03}@corp.example",
        "first_entry": number,
        "lockout_seconds": seconds,
        "deactivations": ["2026-10-01T00:00:00Z"] if done else [],
    }


@pytest.mark.parametrize(("count", "p50", "p95", "p99"), [(1, 1, 1, 1), (2, 1, 2, 2), (20, 10, 19, 20), (200, 100, 190, 198)])
def test_percentiles_are_the_nearest_rank(count: int, p50: int, p95: int, p99: int) -> None:
    """Whatever the order of the rows; the worst is named."""
    found = lockout_of([row(number, float(number)) for number in range(count, 0, -1)])

    assert (p50, p95, p99, count) == tuple(found[f"{name}_seconds"] for name in ("p50", "p95", "p99", "worst"))
    assert f"p{count:03}@corp.example" == found["worst"]["email"]


def test_whoever_the_directory_does_not_tell_of_is_counted_and_not_measured() -> None:
    """And whoever is not locked out is neither."""
    found = lockout_of([row(1, 5.0), row(2, None), row(3, None, done=False)])

    assert (2, 1, 5.0) == (found["locked_out"], found["measured"], found["p99_seconds"])
    assert {None} == {found[name] for name in ()} | {
        lockout_of([row(2, None)])[name] for name in ("p50_seconds", "p95_seconds", "p99_seconds", "worst_seconds", "worst")
    }


def test_a_period_tells_it_where_there_is_something_to_tell() -> None:
    """A fact each, in a unit that suits; without a measured leaver, and in documents made earlier, there is no such section."""
    document = october.document(october.october())
    measured = {**document, "lockout": lockout_of([row(1, 1.5), row(2, 7200.0)])}

    def facts(one: dict[str, Any]) -> dict[str, Any]:
        return {fact.title: fact.value for group in period_view(one).facts if group.title == "Lock-out" for fact in group.facts}

    assert ("1.5 s", "2.0 h", "p002@corp.example", 2) == tuple(
        facts(measured)[name] for name in ("50 of 100 within", "Longest", "Who", "Measured")
    )
    assert {} == facts({**document, "lockout": lockout_of([])}) == facts({k: v for k, v in document.items() if k != "lockout"})


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "0.0 s"), (119.9, "119.9 s"), (120, "2.0 min"), (7199, "120.0 min"), (7200, "2.0 h"), (172_800, "2.0 d")],
)
def test_a_time_is_told_in_the_largest_unit_that_suits(seconds: float, said: str) -> None:
    """Two of it at least."""
    assert said == lasting(seconds)

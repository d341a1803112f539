"""A changed policy in the words of the configuration file."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from syncd.model import Limits, Policy
from syncd.planning.policy_change import Change, changes_between

POLICY = Policy("a", ("corp.example",), directory='{"file":{"path":"a.csv","quoted":true}}')


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, []),
        ({"zoom_account_id": "b"}, [("zoom.account_id", "a", "b")]),
        ({"domains": ("corp.example", "x.example")}, [("scope.domains", "[corp.example]", "[corp.example, x.example]")]),
        (
            {"domain_aliases": (("old.example", "corp.example"),)},
            [("match.domain_aliases", "[]", "[old.example -> corp.example]")],
        ),
        ({"directory": '{"file":{"path":"b.csv","quoted":true}}'}, [("directory.file.path", "a.csv", "b.csv")]),
        ({"directory": '{"file":{"path":"a.csv"}}'}, [("directory.file.quoted", "true", "-")]),
        ({"directory": '{"file":{"path":"a.csv","quoted":false}}'}, [("directory.file.quoted", "true", "false")]),
        (
            {"grace": timedelta(hours=36), "grace_for_known_leavers": timedelta(days=2)},
            [("deactivate.grace", "4h", "36h"), ("deactivate.grace_for_known_leavers", "0s", "2d")],
        ),
        ({"grace": timedelta(minutes=90)}, [("deactivate.grace", "4h", "90m")]),
        ({"grace": timedelta(seconds=90)}, [("deactivate.grace", "4h", "90s")]),
        ({"grace": timedelta(seconds=0)}, [("deactivate.grace", "4h", "0s")]),
        ({"grace_for_expired": timedelta(hours=1)}, [("deactivate.grace_for_expired", "-", "1h")]),
        ({"grace_reads": 9}, [("deactivate.grace_reads", "2", "9")]),
        (
            {"limits": Limits(max_flapping=7, max_directory_shrink_percent=2.5)},
            [("guards.max_directory_shrink_percent", "10", "2.5"), ("guards.max_flapping", "5", "7")],
        ),
        (
            {"limits": Limits(max_clock_skew=timedelta(minutes=6), max_deactivations=3)},
            [("guards.max_clock_skew", "5m", "6m"), ("guards.max_deactivations", "-", "3")],
        ),
    ],
)
def test_a_change_is_told_as_a_person_would_write_it(changed: dict[str, Any], expected: list[tuple[str, str, str]]):
    """Both values, ordered by key; what is the same is not told."""
    base = replace(
        POLICY,
        grace=timedelta(hours=4),
        grace_reads=2,
        grace_for_known_leavers=timedelta(0),
        grace_for_expired=None,
        limits=Limits(),
    )

    assert [Change(*one) for one in expected] == changes_between(base.as_json(), replace(base, **changed).as_json())
    assert [Change(key, after, before) for key, before, after in expected] == changes_between(
        replace(base, **changed).as_json(), base.as_json()
    )


def test_a_key_of_another_version_is_told_under_its_own_name():
    """And what was not there is a dash."""
    before, after = POLICY.as_json(), POLICY.as_json()
    del before["guests"]
    after["later"] = 1.5

    assert [Change("directory.entra.guests", "-", "true"), Change("later", "-", "1.5")] == changes_between(before, after)

"""The policy as a value: what its digest covers, and that the ledger's copy of it compares."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from syncd.model import Limits, Policy
from syncd.planning.arming import widened
from tests.planning.strategies import policies

POLICY = Policy("a", ("corp.example",))

CHANGES: dict[str, Any] = {
    "rules": 99,
    "approvals_required": 2,
    "approvers": ("Kim",),
    "signers": ("Kim ssh-ed25519 AAAA",),
    "zoom_account_id": "b",
    "domains": ("x.example",),
    "directory": '{"a":1}',
    "domain_aliases": (("x", "y"),),
    "pilot": ("p",),
    "ordinary_roles": (),
    "protect_accounts": ("p",),
    "protect_groups": ("p",),
    "protect_directory_groups": ("p",),
    "grace": timedelta(1),
    "grace_reads": 9,
    "when_disabled": False,
    "when_expired": False,
    "grace_for_known_leavers": timedelta(1),
    "revoke_sessions": True,
    "reactivate": "any",
    "restore_licence": False,
    "person_number": "employeeID",
    "ignore_people": ("x",),
    "grace_for_expired": timedelta(1),
    "reactivate_reads": 5,
    "guests": False,
    "limits": Limits(max_flapping=1),
}


@pytest.mark.parametrize("name", Policy.__dataclass_fields__)
def test_every_setting_counts_in_the_digest(name: str):
    """An approval holds for the reviewed policy only."""
    assert POLICY.digest() != replace(POLICY, **{name: CHANGES[name]}).digest()


@given(policies)
def test_the_recorded_policy_is_the_policy(policy: Policy):
    """Through JSON and back nothing looks changed, least of all widened."""
    recorded = json.loads(json.dumps(policy.as_json()))

    assert policy.as_json() == recorded
    assert [] == widened(recorded, policy)


def test_a_policy_recorded_by_another_version_compares_by_what_both_know():
    """A key that only one of the two knows says nothing."""
    recorded = POLICY.as_json()
    del recorded["revoke_sessions"], recorded["limits"]["max_flapping"]
    recorded["later"] = True

    assert [] == widened(recorded, replace(POLICY, revoke_sessions=True))

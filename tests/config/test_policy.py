"""Every key that decides who is changed arrives in the policy by which is decided: one that got lost on the way would be obeyed
by nobody, and said to be by everybody."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from syncd.app import policy_of
from syncd.config import load
from syncd.config.models import Approvals, Deactivate, Guards, Match, Protect, Scope
from syncd.model import Limits, Policy

SMALLEST: dict[str, Any] = {
    "mode": "report",
    "directory": {"file": {"path": "people.csv"}},
    "zoom": {"account_id": "abc", "client_id": "xyz", "client_secret_file": "secret"},
    "scope": {"domains": ["corp.example"]},
}
#: A value of each key that is not its default, and the field of the policy where it arrives, if that has another name.
SECTIONS: dict[str, dict[str, Any]] = {
    "scope": {"domains": ["other.example"], "pilot": ["ann@corp.example"]},
    "protect": {
        "ordinary_roles": ["Guest"],
        "accounts": ["ceo@corp.example"],
        "groups": ["Rooms"],
        "directory_groups": ["On Leave"],
    },
    "match": {"domain_aliases": {"old.example": "corp.example"}, "person_number": "number", "ignore_people": ["17"]},
    "deactivate": {
        "grace": "7h",
        "grace_reads": 7,
        "when_disabled": False,
        "when_expired": False,
        "grace_for_known_leavers": "3h",
        "grace_for_expired": "5h",
        "revoke_sessions": True,
    },
    "approvals": {"required": 2, "approvers": ["Ann Lee"]},
}
NAMES = {
    "protect.accounts": "protect_accounts",
    "protect.groups": "protect_groups",
    "protect.directory_groups": "protect_directory_groups",
    "approvals.required": "approvals_required",
}
GUARDS: dict[str, Any] = {
    "max_deactivations": 7,
    "max_deactivations_percent": 7,
    "percent_floor": 7,
    "max_deactivations_per_day": 7,
    "max_deactivations_per_30_days": 7,
    "max_reactivations": 7,
    "max_reactivations_per_day": 7,
    "sentinels": ["ann@corp.example"],
    "min_directory_people": 7,
    "max_replication_lag": "7h",
    "max_directory_shrink_percent": 7,
    "max_flapping": 7,
    "max_clock_skew": "7m",
    "max_failing_writes_percent": 7,
    "min_match_percent": 7,
}
ELSEWHERE = {"approvals.signers_file"}  # the keys of a file: tests/acceptance/test_approve.py


def policy(folder: Path, **sections: Any) -> Policy:
    """What syncd decides by under the smallest configuration with these sections."""
    file = folder / "syncd.yaml"
    file.write_text(yaml.safe_dump(SMALLEST | sections), encoding="utf-8")
    return policy_of(load(file, {}, check_files=False))


def differing(before: Any, after: Any) -> set[str]:
    """Names of the fields that are not the same."""
    return {one.name for one in fields(before) if getattr(before, one.name) != getattr(after, one.name)}


def test_no_key_is_forgotten_here() -> None:
    """A new key of these sections, or a new limit, gets its row above."""
    models = {"scope": Scope, "protect": Protect, "match": Match, "deactivate": Deactivate, "approvals": Approvals}
    keys = {f"{section}.{key}" for section, model in models.items() for key in model.model_fields}

    assert keys - ELSEWHERE == {f"{section}.{key}" for section, values in SECTIONS.items() for key in values}
    assert set(GUARDS) == set(Guards.model_fields) == {one.name for one in fields(Limits)}


@pytest.mark.parametrize(("section", "key"), [(section, key) for section, values in SECTIONS.items() for key in values])
def test_a_key_arrives_in_the_policy(section: str, key: str, tmp_path: Path) -> None:
    """In its field, and in no other."""
    changed = policy(tmp_path, **{section: SMALLEST.get(section, {}) | {key: SECTIONS[section][key]}})

    assert {NAMES.get(f"{section}.{key}", key)} == differing(policy(tmp_path), changed)


@pytest.mark.parametrize("key", GUARDS)
def test_a_limit_arrives_in_the_policy(key: str, tmp_path: Path) -> None:
    """Under its own name."""
    before, after = policy(tmp_path), policy(tmp_path, guards={key: GUARDS[key]})

    assert ({"limits"}, {key}) == (differing(before, after), differing(before.limits, after.limits))


@pytest.mark.parametrize(("key", "value"), [("reactivate", "any"), ("reactivate_reads", 7), ("restore_licence", False)])
def test_a_key_without_a_section_arrives_too(key: str, value: Any, tmp_path: Path) -> None:
    """What comes back, when, and with what."""
    assert {key} == differing(policy(tmp_path), policy(tmp_path, **{key: value}))

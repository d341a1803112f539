"""The program with Entra ID as its directory: a simulated tenant behind its own token service and Graph."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from syncd.lab import faults
from syncd.lab.entra.apps import AppSecret
from syncd.lab.entra.login import SimulatedLogin
from syncd.lab.entra.objects import a_group, a_guest, a_person
from syncd.lab.entra.serving import serve_entra_in_thread
from syncd.lab.entra.tenant import EntraTenant
from syncd.lab.graph import faults as graph_faults
from syncd.lab.graph.service import SimulatedGraph
from tests.acceptance.company import Company, Ran

ENTRA_SECRET = "lab-entra-secret"
NAMES = [f"p{number:02}" for number in range(30)]
LEAVERS = {"p01": "left_groups", "p02": "absent_from_directory", "p03": "disabled_in_directory", "p04": "in_leavers_group"}


@dataclass
class OnEntra:
    """The company, with its directory in Entra."""

    company: Company
    tenant: EntraTenant
    login: SimulatedLogin
    graph: SimulatedGraph

    def apply(self) -> Ran:
        return self.company.syncd("apply", "--format", "json")

    def unreadable(self) -> str:
        """4, nothing written, nobody gone."""
        ran = self.apply()
        assert (4, "unreadable") == (ran.code, ran.document["result"]), ran.said
        assert [] == self.company.zoom.writes
        assert ENTRA_SECRET not in ran.said
        return ran.said


@pytest.fixture
def world(company: Company) -> Iterator[OnEntra]:
    """Thirty people in step, one by a nested group, and four who are not entitled any more."""
    people = [a_person(f"{name}@corp.example") for name in NAMES]
    members = {
        "Zoom Users": [f"{name}@corp.example" for name in NAMES[:-1]] + ["Sales"],
        "Sales": ["p29@corp.example"],
        "Leavers": ["p04@corp.example"],
    }
    tenant = EntraTenant([*people, *map(a_group, members)], members, now=lambda: datetime.now(UTC))
    tenant.leave("Zoom Users", "p01@corp.example")
    tenant.delete("p02@corp.example")
    tenant.update("p03@corp.example", account_enabled=False)
    login = SimulatedLogin(tenant, now=lambda: datetime.now(UTC), sleep=asyncio.sleep)
    graph = SimulatedGraph(tenant, now=lambda: datetime.now(UTC), sleep=asyncio.sleep, tokens=login.tokens)
    secret = company.folder / "entra-secret"
    secret.write_text(ENTRA_SECRET + "\n")
    for name in NAMES:
        company.account(name, type=2)
    with serve_entra_in_thread(login, graph, company.folder) as serving:
        company.configure(
            {
                "directory.file": None,
                "directory.entra": {
                    "tenant_id": tenant.id,
                    "client_id": login.app.client_id,
                    "credential": {"client_secret_file": str(secret)},
                    "authority_url": serving.authority_url,
                    "graph_url": serving.graph_url,
                    "ca_file": str(serving.ca_file),
                    "groups": ["Zoom Users"],
                    "leaver_groups": ["Leavers"],
                },
                "mode": "enforce",
                "deactivate": {"grace": "0s", "grace_reads": 1},
                "guards": {"max_deactivations_percent": 50, "max_directory_shrink_percent": 50},
            }
        )
        yield OnEntra(company, tenant, login, graph)


def approved(world: OnEntra) -> None:
    """The first enforcing plan is reviewed and let through."""
    planned = world.apply()
    assert 3 == planned.code, planned.said
    let = world.company.syncd(
        "approve",
        "--plan",
        planned.document["plan_digest"],
        "--guard",
        "policy-changed",
        "--by",
        "Ann Lee",
        "--because",
        "reviewed",
    )
    assert 0 == let.code, let.said


def test_every_kind_of_leaver_is_told_apart_and_deactivated(world: OnEntra) -> None:
    """Left the groups, deleted, disabled, in the leavers' group; everybody else stays, by the way they came."""
    approved(world)
    ran = world.apply()

    assert 0 == ran.code, ran.said
    assert LEAVERS == {name: ran.action_of(f"{name}@corp.example")[1] for name in LEAVERS}
    assert sorted((name, "deactivate") for name in LEAVERS) == sorted(world.company.written())
    assert ["Zoom Users", "Sales"] == next(
        row["group_path"] for row in ran.document["decisions"] if row["email"] == "p29@corp.example"
    )
    assert "entra" == ran.document["directory"]["source"]


def test_a_guest_is_entitled_only_when_guests_may_be(world: OnEntra) -> None:
    """Found, in the group, and not entitled."""
    world.tenant.add(a_guest("guest@corp.example"))
    world.tenant.join("Zoom Users", "guest@corp.example")
    world.company.account("guest", type=2)
    closed = world.company.syncd("plan", "--format", "json").action_of("guest@corp.example")
    world.company.configure({"directory.entra.guests": True})
    opened = world.company.syncd("plan", "--format", "json").action_of("guest@corp.example")

    assert (("deactivate", "left_groups"), ("keep", "in_step")) == (closed, opened)


def test_somebody_who_came_back_since_the_plan_is_left_alone(world: OnEntra) -> None:
    """The second look sees it."""
    approved(world)

    def back() -> None:
        world.tenant.join("Zoom Users", "p01@corp.example")

    world.graph.faults.add(faults.meanwhile(back), "member_groups")
    ran = world.apply()
    assert ("skipped", "changed_since_plan") == ran.outcome_of("p01@corp.example")
    assert "active" == world.company.status("p01")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda w: w.graph.faults.add(graph_faults.nulls(), "list_users", times=None), "User.Read.All"),
        (lambda w: w.graph.faults.add(graph_faults.nulls(3), "members", times=None), "User.Read.All"),
        (lambda w: setattr(w.login.app, "roles", frozenset({"User.Read.All"})), "GroupMember.Read.All"),
        (lambda w: setattr(w.login.app, "roles", frozenset()), "grant admin consent"),
        (lambda w: w.tenant.update("Zoom Users", visibility="HiddenMembership"), "Member.Read.Hidden"),
        (lambda w: w.tenant.delete("Zoom Users"), "'Zoom Users' does not exist"),
        (lambda w: w.tenant.update("Zoom Users", membership_rule_processing_state="Paused"), "up to date"),
        (lambda w: w.graph.faults.add(graph_faults.permission_denied(), "members", times=None), "Authorization_RequestDenied"),
        (lambda w: w.graph.faults.add(graph_faults.throttled("seconds", 900), "members", times=None), "900 s"),
        (
            lambda w: setattr(w.login.app, "secrets", (AppSecret(ENTRA_SECRET, datetime.now(UTC) - timedelta(days=1)),)),
            "AADSTS7000222",
        ),
        (lambda w: setattr(w.login.app, "secrets", (AppSecret("another"),)), "AADSTS7000215"),
        (lambda w: setattr(w.login.app, "consented", False), "AADSTS7000229"),
        (lambda w: w.company.configure({"directory.entra.cloud": "us_gov"}), "directory.entra.cloud"),
        (lambda w: w.company.configure({"directory.entra.authority_url": "https://127.0.0.1:9"}), "could not be reached"),
    ],
    ids=[
        "nulls",
        "member nulls",
        "no group permission",
        "no permission",
        "hidden",
        "group deleted",
        "rule paused",
        "refused",
        "throttled",
        "secret expired",
        "secret wrong",
        "no consent",
        "cloud",
        "authority",
    ],
)
def test_whatever_is_missing_deactivates_nobody(world: OnEntra, spoil: Any, says: str) -> None:
    """Exit 4, zero writes, the fix named; ``check`` says the same in one line."""
    approved(world)
    spoil(world)

    assert says in world.unreadable()
    checked = world.company.syncd("check")
    assert 4 == checked.code
    assert any(says in line and line.startswith("FAIL") for line in checked.out.splitlines()), checked.said


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (graph_faults.next_link("https://evil.example/"), "another host, evil.example"),
        (graph_faults.refusing(500, "InternalServerError", ""), "gave up after 5 tries"),
        (graph_faults.refusing(400, "Directory_ExpiredPageToken", ""), "whole in 3 attempts"),
    ],
    ids=["other host", "processing error", "page token"],
)
def test_a_list_that_breaks_in_the_middle_deactivates_nobody(world: OnEntra, fault: Any, says: str) -> None:
    """Not fewer people: no people at all."""
    approved(world)
    world.graph.faults.add(fault, "members", times=None, skip=1)

    assert says in world.unreadable()


def test_a_wrong_tenant_is_named(world: OnEntra) -> None:
    """It, or the cloud, is to be corrected."""
    world.company.configure({"directory.entra.tenant_id": "11111111-2222-3333-4444-555555555555"})
    assert "AADSTS90002" in world.unreadable()
    assert "AADSTS90002" in world.company.syncd("check").out


def test_check_says_that_all_is_well(world: OnEntra) -> None:
    """One line per item."""
    ran = world.company.syncd("check")
    assert 0 == ran.code, ran.said
    for item in ("entra token", "entra permission User.Read.All", "entra groups", "entra second look", "entra clock"):
        assert item in ran.out


def test_explain_tells_the_way_into_the_group(world: OnEntra) -> None:
    """From the configured group down."""
    assert "Zoom Users > Sales" in world.company.syncd("explain", "p29@corp.example").out


def test_explain_says_when_somebody_was_deleted(world: OnEntra) -> None:
    """Entra keeps them, with their addresses, for 30 days; they are absent all the same."""
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    ran = world.company.syncd("explain", "p02@corp.example")
    assert 0 == ran.code, ran.said
    assert "nobody has this address" in ran.out
    assert f"was deleted at {day}" in ran.out
    story = world.company.syncd("explain", "p02@corp.example", "--format", "json").document
    assert 1 == len(story["deleted"])
    assert "deleted" not in world.company.syncd("explain", "p05@corp.example", "--format", "json").document


@pytest.mark.parametrize(
    ("mail", "reason"),
    [
        ("p05@corp.example\u200b", "in_step"),
        ("P05@CORP.example. ", "in_step"),
        ("p05@corp.example; old@corp.example", "directory_unclear"),
        ("Ann <p05@corp.example>", "directory_unclear"),
        ("p0\u200b5@corp.example", "directory_unclear"),
    ],
)
def test_an_address_that_is_not_spelled_well_locks_nobody_out(world: OnEntra, mail: str, reason: str) -> None:
    """Cleaned where that is plain, else unclear: the person is named and their accounts stay; a leaver goes all the same."""
    world.tenant.update("p05@corp.example", mail=mail, proxy_addresses=(), user_principal_name="p05@elsewhere.example")
    approved(world)
    ran = world.apply()

    assert 0 == ran.code, ran.said
    assert ("keep", reason) == ran.action_of("p05@corp.example")
    assert LEAVERS.keys() == {name for name, _ in world.company.written()}
    assert (1 if reason != "in_step" else 0) == len(ran.document["directory"]["unclear"])


def test_a_ghost_in_a_group_is_named_and_harmless(world: OnEntra) -> None:
    """Deleted for good and still listed: nobody who was read is kept back by it, and nobody is called absent who may be it."""
    approved(world)
    ghost = "0b070000-0000-4000-8000-000000000001"

    def listed(page: dict[str, Any]) -> None:
        page["value"].append({"@odata.type": "#microsoft.graph.user", "id": ghost, "displayName": None, "accountEnabled": None})

    world.graph.faults.add(faults.rewritten(listed), "members", times=None)
    ran = world.apply()

    assert 0 == ran.code, ran.said
    assert [ghost] == [one["id"] for one in ran.document["directory"]["unclear"]]
    assert {"p01", "p03", "p04"} == {name for name, _ in world.company.written()}
    assert ("keep", "directory_unclear") == ran.action_of("p02@corp.example")
    checked = world.company.syncd("check")
    assert ghost in checked.out
    assert 0 == checked.code, checked.said

"""Every published payload that the simulated Entra can produce has the same shape here: status, headers, keys, types, codes.

The payloads are third-party text and lie outside the repository; without them these tests are skipped, except in CI.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from syncd.lab import faults
from syncd.lab.entra.apps import AppSecret
from syncd.lab.entra.assertions import Issuer
from syncd.lab.entra.codes import sign_in_refused
from syncd.lab.entra.objects import guid
from syncd.lab.graph import faults as graph_faults
from syncd.lab.graph.limits import GraphLimits
from tests.contract.lab_clock import MORNING
from tests.contract.lab_graph import ANN, UNIFIED, Entra, an_entra
from tests.contract.test_lab_graph import ADVANCED, DEEPLY, MEMBERS
from tests.contract.test_lab_graph_login import SUBJECT, by_federation

FILE = Path(__file__).parents[3] / "shared" / "contracts" / "entra-examples.json"
if not FILE.exists() and os.environ.get("CI") != "true":
    pytest.skip("the collected payloads are not here", allow_module_level=True)
EXAMPLES = {example["id"]: example for example in json.loads(FILE.read_text(encoding="utf-8"))["examples"]}

Play = Callable[[Entra], Awaitable[httpx.Response]]

#: What is none of the simulator's business: requests of msal, calls syncd does not make, what is sent to us.
NOT_PRODUCED = {
    "token_wire_secret_msal",
    "token_wire_assertion_msal",
    "app_role_assigned_to_page",
    "400_generic_other_case",
    "subscription_created",
    "validation_handshake",
    "change_notification",
    "lifecycle_notification",
}

#: Texts that have to be the same; others need only be texts.
EXACT = {"code", "error", "reason", "@odata.type", "token_type", "error_codes", "status"}


# ------------------------------------------------------------------------------------------------------- how to get each


def get(path: str, **headers: str) -> Play:
    """A plain call."""
    return lambda entra: entra.get(path, **headers)


def after(change: Callable[[Entra], Any], then: Play) -> Play:
    """A call after something was changed."""

    async def play(entra: Entra) -> httpx.Response:
        change(entra)
        return await then(entra)

    return play


def fault(fault_: faults.Fault, path: str = MEMBERS) -> Play:
    """A call that a fault strikes."""
    return after(lambda entra: entra.graph.faults.add(fault_), get(path))


def delta(first: str, *changes: Callable[[Entra], Any], link: str = "@odata.deltaLink") -> Play:
    """A first request, changes, and the call of the link it gave."""

    async def play(entra: Entra) -> httpx.Response:
        found = (await entra.get(first)).json()
        for change in changes:
            change(entra)
        return await entra.get(found[link])

    return play


async def federated(entra: Entra, **token: Any) -> httpx.Response:
    issuer = Issuer()
    entra.app.federated = (issuer.trusted_for(SUBJECT),)
    return await by_federation(entra, issuer.token(SUBJECT, MORNING, **token))


def without_users(entra: Entra) -> None:
    entra.app.roles = frozenset({"GroupMember.Read.All"})
    entra.token = entra.login.token_for(entra.app)


def small_pages(entra: Entra) -> None:
    entra.graph.reads.deltas.page_size = 2


def team_with_a_removal(entra: Entra) -> None:
    entra.graph.faults.add(graph_faults.removed_in_initial(ANN.id), "groups_delta")
    entra.graph.reads.deltas.page_size = 3


SELECT = "$select=id,userPrincipalName,mail,accountEnabled,userType"
LATEST_GROUPS = "/groups/delta?$select=displayName,description,members&$deltatoken=latest"
LATEST_USERS = "/users/delta?$select=id,accountEnabled,userPrincipalName,mail&$deltatoken=latest"

PLAYS: dict[str, Play] = {
    "token_success": lambda entra: entra.sign_in(),
    "openid_configuration_minimal": lambda entra: entra.sign_in_http.get(
        f"/{entra.tenant.id}/v2.0/.well-known/openid-configuration"
    ),
    "token_error_bad_secret_7000215": lambda entra: entra.sign_in(client_secret="guess"),
    "token_error_expired_secret_7000222": after(
        lambda entra: setattr(entra.app, "secrets", (AppSecret("lab-entra-secret", MORNING),)), lambda entra: entra.sign_in()
    ),
    "token_error_app_not_found_700016": lambda entra: entra.sign_in(client_id=guid("stranger")),
    "token_error_assertion_expired_700024": lambda entra: federated(entra, exp=int((MORNING - timedelta(hours=1)).timestamp())),
    "token_error_no_federated_credential_70021": lambda entra: federated(entra, iss="https://oidc.elsewhere.example/"),
    "token_error_oidc_endpoint_90061": after(
        lambda entra: entra.login.faults.add(sign_in_refused(90061)), lambda entra: entra.sign_in()
    ),
    "token_error_unknown_tenant_90002": lambda entra: entra.sign_in_http.get(
        f"/{guid('elsewhere')}/v2.0/.well-known/openid-configuration"
    ),
    "token_503_html": after(lambda entra: entra.login.faults.add(faults.html_page(503)), lambda entra: entra.sign_in()),
    "members_direct_page": get(MEMBERS),
    "members_page_with_nextlink": get(f"{MEMBERS}?{SELECT}&$top=3"),
    "members_limited_information": after(without_users, get(f"{MEMBERS}?{SELECT},displayName")),
    "transitive_members_page": get(DEEPLY),
    "transitive_members_cast_user_page": get(
        f"{DEEPLY}/microsoft.graph.user?$count=true&$orderBy=displayName&$select=displayName,id", **ADVANCED
    ),
    "transitive_members_cast_user_page_nextlink": get(f"{DEEPLY}/microsoft.graph.user?$count=true&{SELECT}&$top=1", **ADVANCED),
    "empty_page_with_nextlink": fault(graph_faults.empty_page(), DEEPLY),
    "members_count_only": get(f"{DEEPLY}/$count", **ADVANCED),
    "unsupported_cast_400": get(f"/groups/{UNIFIED.id}/members/microsoft.graph.group?$count=true", **ADVANCED),
    "groups_delta_initial_page": after(
        lambda entra: setattr(entra.graph.reads.deltas, "page_size", 8),
        after(
            lambda entra: [entra.tenant.update(group, description="Some") for group in ("Zoom Users", "Team")],
            get("/groups/delta?$select=displayName,description,members"),
        ),
    ),
    "groups_delta_no_change": delta(LATEST_GROUPS),
    "groups_delta_member_removed_and_added": delta(
        LATEST_GROUPS,
        lambda entra: entra.tenant.update("Zoom Users", description="Some"),
        lambda entra: entra.tenant.leave("Zoom Users", "ann@corp.example"),
        lambda entra: entra.tenant.join("Zoom Users", "eve@corp.example"),
    ),
    "groups_delta_initial_contains_removed": after(team_with_a_removal, get("/groups/delta")),
    "groups_delta_large_group_split": after(
        small_pages,
        delta(
            LATEST_GROUPS,
            lambda entra: entra.tenant.update("Zoom Users", description="Some"),
            lambda entra: entra.tenant.leave("Zoom Users", "ann@corp.example"),
            lambda entra: entra.tenant.join("Zoom Users", "bob@corp.example", "cat@corp.example", "eve@corp.example"),
        ),
    ),
    "groups_delta_group_soft_deleted": delta(LATEST_GROUPS, lambda entra: entra.tenant.delete("All")),
    "users_delta_page_with_removed": after(
        lambda entra: [entra.tenant.update("ann@corp.example", given_name="Ann", surname="Example"), small_pages(entra)],
        delta(
            "/users/delta?$select=displayName,givenName,surname&$deltatoken=latest",
            lambda entra: entra.tenant.update("ann@corp.example", given_name="Anna"),
            lambda entra: entra.tenant.purge("bob@corp.example"),
            lambda entra: entra.tenant.update("cat@corp.example", display_name="Conf Room"),
        ),
    ),
    "users_delta_disabled": delta(
        LATEST_USERS,
        lambda entra: entra.tenant.update("ann@corp.example", account_enabled=False),
        lambda entra: entra.tenant.delete("bob@corp.example"),
    ),
    "users_delta_last_page": delta(
        "/users/delta?$select=displayName,givenName,surname&$deltatoken=latest",
        lambda entra: entra.tenant.update("ann@corp.example", given_name="Ann", surname="Example"),
    ),
    "delta_410_gone": delta(LATEST_GROUPS, lambda entra: entra.graph.reads.deltas.reset()),
    "delta_400_sync_state_not_found": delta(LATEST_GROUPS, lambda entra: entra.graph.reads.deltas.expire_all()),
    "page_token_expired_400": delta(
        f"{MEMBERS}?$top=2", lambda entra: entra.graph.reads.pages.expire_all(), link="@odata.nextLink"
    ),
    "nextlink_unsupported_400": lambda entra: _without_header(entra),
    "429_documented": fault(graph_faults.throttled()),
    "429_identity_headers": after(lambda entra: setattr(entra.graph, "limits", GraphLimits(1)), get(DEEPLY)),
    "429_other_code_seen": fault(graph_faults.throttled(seconds=315, code="activityLimitReached")),
    "429_documented_2021_fractional": fault(graph_faults.throttled("fraction", 2.128)),
    "200_with_cost_headers": after(lambda entra: setattr(entra.graph, "limits", GraphLimits(2)), get(f"{MEMBERS}?$select=id")),
    "503_service_unavailable": fault(graph_faults.unavailable()),
    "401_empty_token": lambda entra: entra.http.get("/users"),
    "401_expired_token": after(lambda entra: entra.login.tokens.expire_all(MORNING), get(MEMBERS)),
    "401_transient_signing_key": fault(graph_faults.signing_key_invalid()),
    "403_authorization_request_denied": after(without_users, get("/users?$select=id")),
    "404_request_resource_not_found": get(f"/groups/{guid('nothing')}"),
    "batch_response": lambda entra: _batch(entra),
}


async def _without_header(entra: Entra) -> httpx.Response:
    first = await entra.get(f"{DEEPLY}/microsoft.graph.user?$count=true&$top=1", **ADVANCED)
    return await entra.get(first.json()["@odata.nextLink"])


async def _batch(entra: Entra) -> httpx.Response:
    return await entra.post(
        "/$batch",
        {
            "requests": [
                {"id": "3", "method": "GET", "url": f"/applications(appId='{entra.app.client_id}')"},
                {
                    "id": "5",
                    "method": "GET",
                    "url": "users?$select=id,displayName,userPrincipalName&$count=true",
                    "headers": ADVANCED,
                },
            ]
        },
    )


# ------------------------------------------------------------------------------------------------------------- comparing


def unlike(example: Any, answer: Any, at: str = "body") -> list[str]:
    """Where *answer* lacks what *example* has. More keys than the example has are no difference."""
    if isinstance(example, dict):
        if not isinstance(answer, dict):
            return [f"{at}: no object"]
        return [
            problem
            for key, value in example.items()
            for problem in (unlike(value, answer[key], f"{at}.{key}") if key in answer else [f"{at}.{key} is missing"])
        ]
    if isinstance(example, list):
        if not isinstance(answer, list):
            return [f"{at}: no list"]
        return [f"{at}: nothing like {one}" for one in example if all(unlike(one, other) for other in answer)]
    name = at.rpartition(".")[2]
    if name in EXACT and not str(example).startswith("<"):
        return [] if example == answer else [f"{at}: {example!r} expected, {answer!r} is there"]
    return [] if type(example) is type(answer) else [f"{at}: {type(example).__name__} expected, {answer!r} is there"]


def opaque(example: Any) -> Any:
    """Some details differ for good reason: where Graph's throttling puts more into the inner error, or says no status."""
    if isinstance(example, dict):
        return {
            key: opaque(value)
            for key, value in example.items()
            if not (key == "innerError" and isinstance(value, dict) and "code" in value)
        }
    return [opaque(one) for one in example] if isinstance(example, list) else example


def test_every_collected_payload_is_played_or_excused():
    """A new one is not forgotten."""
    assert set(EXAMPLES) == set(PLAYS) | NOT_PRODUCED
    assert not set(PLAYS) & NOT_PRODUCED


def test_the_comparison_sees_what_differs():
    """A missing key, another code, another type; more keys are no difference."""
    example = {"error": {"code": "A", "message": "m"}, "value": [{"id": "1"}]}

    assert [] == unlike(example, {"error": {"code": "A", "message": "other", "more": 1}, "value": [{"id": "2"}, {}]})
    assert [
        "body.error.code: 'A' expected, 'B' is there",
        "body.error.message is missing",
        "body.value: nothing like {'id': '1'}",
    ] == unlike(example, {"error": {"code": "B"}, "value": [{"id": 2}]})


@pytest.mark.parametrize("id_", sorted(PLAYS))
async def test_a_published_payload_has_the_same_shape_here(id_):
    """Status, headers, keys, types and codes."""
    example = EXAMPLES[id_]["response"]
    async with an_entra() as entra:
        answer = await PLAYS[id_](entra)

    assert example["status"] == answer.status_code
    missing = {name for name in example["headers"] if name.lower() not in answer.headers}
    assert set() == missing
    kind = example["headers"].get("Content-Type", "").partition(";")[0]
    assert answer.headers["content-type"].startswith(kind)
    if isinstance(example["body"], dict):
        assert [] == unlike(opaque(example["body"]), answer.json())
    else:
        assert example["body"].isdigit() == answer.text.isdigit()

"""The simulated Zoom answers a client that others wrote: zoomus from PyPI, which knows nothing of this project."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import zoomus

from syncd.lab.company import CHIEF, ROOMS, corp_example
from syncd.lab.server import serve_in_thread
from syncd.lab.zoom.service import SimulatedZoom
from tests.contract.lab_clock import MORNING, a_zoom


@pytest.fixture
def zoom() -> SimulatedZoom:
    """Corp Example."""
    return a_zoom(corp_example(MORNING).tenant())


@pytest.fixture
def client(zoom: SimulatedZoom) -> Iterator[zoomus.ZoomClient]:
    """Signed in by server-to-server OAuth, as its own documentation shows."""
    with serve_in_thread(zoom) as serving:
        yield zoomus.ZoomClient(
            zoom.oauth.client_id,
            zoom.oauth.client_secret,
            zoom.oauth.account_id,
            base_uri=f"{serving.url}/v2",
            oauth_uri=f"{serving.url}/oauth/token",
        )


def test_it_signs_in_and_walks_all_users_of_each_status(zoom, client):
    """Page by page, following the token."""
    found = {}
    for status in ("active", "inactive", "pending"):
        query, users = {"status": status, "page_size": 100}, []
        while True:
            page = client.user.list(**query).json()
            users += page["users"]
            if not page["next_page_token"]:
                break
            query["next_page_token"] = page["next_page_token"]
        found[status] = {user["email"] for user in users}
        assert page["total_records"] == len(users)

    assert {status: {user.email for user in zoom.tenant.listed(status)} for status in found} == found
    assert ["lab-client"] * 5 == [seen.app for seen in zoom.asked("list_users")]


def test_it_reads_one_user_by_address(client):
    """The raw address in the path, as this client puts it there."""
    user = client.user.get(id=CHIEF).json()

    assert (CHIEF, "Amara Okafor", "Member", "active") == tuple(
        user[key] for key in ("email", "display_name", "role_name", "status")
    )
    assert 404 == client.user.get(id="nobody@corp.example").status_code


def test_it_deactivates_and_reactivates(zoom, client):
    """And gives a licence back, for which it has a call too."""
    chief = zoom.tenant.existing(CHIEF)

    assert 200 == client.user.update_status(id=chief.id, action="deactivate").status_code
    assert ("inactive", 1) == _state(zoom)
    assert 200 == client.user.update_status(id=chief.id, action="activate").status_code
    assert 204 == client.user.update(id=chief.id, type=2).status_code
    assert ("active", 2) == _state(zoom)


def test_it_is_refused_what_zoom_refuses(zoom, client):
    """An admin's status."""
    [admin, *_] = zoom.tenant.of_role("1")

    answer = client.user.update_status(id=admin.id, action="deactivate")

    assert (400, 200) == (answer.status_code, answer.json()["code"])
    assert [] == zoom.changes


def test_it_lists_roles_groups_meetings_and_recordings(client):
    """Everything else it and the simulator both know."""
    roles = {role["name"]: role["id"] for role in client.role.list().json()["roles"]}
    admins = client.role.get_members(id=roles["Admin"]).json()["members"]
    groups = {group["name"]: group["id"] for group in client.group.list().json()["groups"]}
    rooms = client.group.list_members(groupid=groups[ROOMS.name]).json()["members"]
    meetings = client.meeting.list(user_id=CHIEF).json()["meetings"]
    recordings = client.recording.list(user_id=CHIEF).json()["meetings"]

    assert (3, 4, ["Executive weekly"], []) == (len(admins), len(rooms), [meeting["topic"] for meeting in meetings], recordings)


def test_it_gets_a_fresh_token_after_its_token_ended(zoom, client):
    """401 first, then well again."""
    zoom.oauth.expire_all(MORNING)

    assert 401 == client.user.list().status_code
    client.refresh_token()
    assert 200 == client.user.list().status_code


def _state(zoom: SimulatedZoom) -> tuple[str, int]:
    chief = zoom.tenant.existing(CHIEF)
    return chief.status, chief.type

"""A directory or a Zoom that answers wrongly, partly, slowly or not at all: exit 4, zero writes, and a word that helps."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from syncd.lab import faults
from syncd.lab.faults import Fault
from tests.acceptance.company import Company, long_ago
from tests.ports import free_port


@pytest.fixture
def crew(company: Company) -> Company:
    """Twenty-five people in step, pages of ten, enforcing, and a leaver who must survive every bad read."""
    company.staff(25)
    company.configure({"zoom.page_size": 10, "zoom.max_wait": "1s"})
    company.enforcing()
    company.leaves("p000")
    return company


def unreadable(company: Company) -> str:
    """What apply says when a source is not whole: 4, nothing written, result ``unreadable``."""
    ran = company.syncd("apply", "--format", "json")
    assert 4 == ran.code, ran.said
    assert ("unreadable", None) == (ran.document["result"], ran.document["plan_digest"])
    assert {0} == set(ran.document["counts"].values())
    assert [] == company.zoom.writes
    assert "active" == company.status("p000")
    return ran.said


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        pytest.param(faults.short_page(), "page", id="a page lacks its last row"),
        pytest.param(faults.total_moved(-3), "total", id="the total moves between pages"),
        pytest.param(faults.field_set("users", None), "page", id="null instead of users"),
        pytest.param(faults.field_missing("users"), "page", id="no users at all"),
        pytest.param(faults.page_token_expired(), "page", id="the page token expires"),
        pytest.param(faults.refusal(300, "Validation Failed."), "page", id="a refusal in mid-walk"),
    ],
    ids=str,
)
def test_a_walk_that_is_not_whole_is_never_a_smaller_list(crew: Company, fault: Fault, says: str) -> None:
    """On every second page and without end, so that no repetition heals it; the message says which page of what."""
    crew.zoom.faults.add(fault, "list_users", times=None, skip=1, status="active")

    assert says in unreadable(crew).lower()


def test_an_endless_walk_ends(crew: Company) -> None:
    """Zoom that always names a next page does not keep syncd for ever."""
    crew.zoom.faults.add(faults.endless_walk(), "list_users", times=None)

    unreadable(crew)


def test_zoom_that_asks_for_a_long_wait_ends_the_cycle(crew: Company) -> None:
    """``zoom.max_wait``: beyond it 4, and the message names the wait."""
    crew.zoom.faults.add(faults.throttled("seconds", 3600), "list_users", times=None)

    said = unreadable(crew)

    assert re.search(r"for 3(600|5\d\d) s, until", said)  # less what the walk beside it had already waited for
    assert "longest wait allowed is 1 s" in said


def test_zoom_that_is_not_there_is_unreadable(crew: Company) -> None:
    """Nobody listens: the message names where syncd tried."""
    port = free_port()
    crew.configure({"zoom.api_url": f"http://127.0.0.1:{port}/v2", "zoom.token_url": f"http://127.0.0.1:{port}/oauth/token"})

    assert f"127.0.0.1:{port}" in unreadable(crew)


def test_wrong_zoom_credentials_are_unreadable_and_tried_once(crew: Company) -> None:
    """Four, with the key to look at; no hammering at the token endpoint."""
    crew.zoom.oauth.client_secret = "another-one"
    issued = len(crew.zoom.asked("token"))

    said = unreadable(crew)

    assert "client_secret" in said
    assert 2 >= len(crew.zoom.asked("token")) - issued


def test_a_missing_read_scope_is_unreadable_and_named(crew: Company) -> None:
    """What to grant stands in the message."""
    crew.zoom.oauth.scopes = frozenset(s for s in crew.zoom.oauth.scopes if not s.startswith("user:read:list_users"))

    assert "user:read:list_users" in unreadable(crew)


def test_a_token_that_expires_in_mid_walk_does_no_harm(crew: Company) -> None:
    """The walk is made again or fails: either the right plan or exit 4, never a smaller one."""
    crew.zoom.faults.add(faults.token_expired(), "list_users", skip=1)

    ran = crew.syncd("plan", "--format", "json")

    assert ran.code in (0, 4)
    if ran.code == 0:
        assert {"keep": 24, "deactivate": 1, "reactivate": 0, "manual": 0} == ran.document["counts"]


def test_a_role_named_in_the_configuration_that_zoom_does_not_have_is_unreadable(crew: Company) -> None:
    """As a missing group: never a guess."""
    crew.configure({"protect": {"ordinary_roles": ["member", "no-such-role"], "groups": ["No Such Group"]}})

    assert "no-such-role" in unreadable(crew).lower() or "No Such Group" in unreadable(crew)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param(b"", "empty", id="nothing at all"),
        pytest.param(b"\xff\xfeid,display_name\n", "", id="another encoding"),
        pytest.param(b"id,display_name\n1,x\n", "addresses", id="columns are missing"),
        pytest.param(b"HEADER\na,A,a@corp.example,,,staff,\na,B,b@corp.example,,,staff,\n", "line 3", id="an id twice"),
        pytest.param(b"HEADER\na,A,a@corp.example,perhaps,,staff,\n", "line 2", id="neither true nor false"),
        pytest.param(b"HEADER\na,A,a@corp.example,,tomorrow,staff,\n", "line 2", id="no time"),
        pytest.param(b"HEADER\na,A,a@corp.example\n", "line 2", id="a short row"),
        pytest.param(b'HEADER\na,"A,a@corp.example,,,staff,\n', "line", id="a quote never closed"),
        pytest.param(b"HEADER\na,A\x00,a@corp.example,,,staff,\n", "", id="a zero byte"),
    ],
    ids=str,
)
def test_a_directory_file_with_a_fault_is_unreadable_with_its_line(crew: Company, content: bytes, says: str) -> None:
    """4, naming the file and the line."""
    header = b"id,display_name,addresses,enabled,expires_at,groups,department"
    crew.people.write_bytes(content.replace(b"HEADER", header))

    said = unreadable(crew)

    assert str(crew.people) in said
    assert says in said


def test_a_header_alone_is_an_empty_directory_which_a_guard_holds(crew: Company) -> None:
    """3, ``directory-empty``, everything held."""
    crew.people.write_text("id,display_name,addresses,enabled,expires_at,groups\n", encoding="utf-8")

    ran = crew.syncd("apply", "--format", "json")

    assert 3 == ran.code
    assert "directory-empty" in ran.tripped()
    assert [] == crew.zoom.writes


def test_a_directory_file_that_is_missing_or_a_folder_is_unreadable(crew: Company) -> None:
    """The path stands in the message."""
    crew.people.unlink()
    assert str(crew.people) in unreadable(crew)
    crew.people.mkdir()
    assert str(crew.people) in unreadable(crew)


def test_a_group_that_nobody_is_in_is_not_taken_for_everybody_gone(crew: Company) -> None:
    """Another group name in the configuration must not empty the company: 3 or 4, zero writes."""
    crew.configure({"directory.file.groups": ["staf"], "guards.max_deactivations_percent": 100})

    ran = crew.syncd("apply", "--format", "json")

    assert ran.code in (3, 4)
    assert [] == crew.zoom.writes


@pytest.mark.parametrize("key", ["directory.file.groups", "protect.directory_groups"])
def test_a_group_that_no_row_of_a_file_ever_named_is_missing_and_check_says_so_too(crew: Company, key: str) -> None:
    """Misspelt, probably. Of leaver groups nobody may ever have been in one."""
    crew.configure({key: ["staff", "VIPs"]})
    assert "'VIPs'" in unreadable(crew)
    assert 4 == crew.syncd("check").code
    crew.configure({key: ["staff"] if key.startswith("directory") else None, "directory.file.leaver_groups": ["VIPs"]})
    assert (0, False) == (crew.syncd("check").code, 4 == crew.syncd("plan").code)


def test_a_protecting_group_of_a_file_that_had_members_is_emptied_and_not_missing(crew: Company) -> None:
    """So that a person can say that it may be empty."""
    crew.person("p001", groups="staff;VIPs")
    crew.save()
    crew.configure({"protect.directory_groups": ["VIPs"]})
    assert 0 == crew.syncd("apply").code
    crew.person("p001")
    crew.save()

    held = crew.syncd("apply", "--format", "json")
    assert (3, ["group-emptied"]) == (held.code, held.tripped())
    crew.approve_what_is_held()
    assert [0, 0] == [crew.syncd("apply").code for _ in range(2)]


def test_an_empty_zoom_is_held(company: Company) -> None:
    """``zoom-empty``: a wrong account or a blind read."""
    company.person("ann")
    company.save()

    ran = company.syncd("plan", "--format", "json")

    assert (3, ["zoom-empty"]) == (ran.code, ran.tripped())


def test_clocks_that_differ_hold_everything(crew: Company) -> None:
    """``clock-skew`` cannot be approved."""
    crew.zoom.clock_skew = timedelta(hours=1)

    ran = crew.syncd("apply", "--format", "json")

    assert (3, ["clock-skew"]) == (ran.code, ran.tripped())
    assert [] == crew.zoom.writes


def test_a_missing_sentinel_holds_everything(crew: Company) -> None:
    """A canary that is not seen entitled: the read is blind somewhere."""
    crew.configure({"guards.sentinels": ["p001@corp.example"]})
    crew.person("p001", expires=long_ago())
    crew.save()

    ran = crew.syncd("apply", "--format", "json")

    assert 3 == ran.code
    assert "sentinel-missing" in ran.tripped()
    assert [] == crew.zoom.writes


def test_a_failing_write_after_others_were_done_is_partial(crew: Company) -> None:
    """Zoom goes away in the middle: 5 once something was written, and the rest is not tried."""
    crew.configure({"zoom.concurrency": 1})
    crew.leaves("p001", "p002")
    crew.zoom.faults.add(
        faults.refusal(4711, "Invalid access token, does not contain scopes:[user:update:status:admin]."),
        "set_status",
        times=None,
        skip=1,
    )

    ran = crew.syncd("apply", "--format", "json")

    assert (5, "partial") == (ran.code, ran.document["result"])
    outcomes = [row["outcome"] for row in ran.document["decisions"] if row["outcome"]]
    assert 1 == outcomes.count("done")
    assert 1 == len(crew.zoom.changes)


def test_an_unreadable_cycle_changes_no_memory(crew: Company) -> None:
    """Only good reads count for the grace: after a bad one the leaver is still new."""
    crew.configure({"deactivate": {"grace": "0s", "grace_reads": 1}})
    entries = len(crew.entries())
    crew.zoom.faults.add(faults.short_page(), "list_users", times=None)
    unreadable(crew)

    kinds = {entry["kind"] for entry in crew.entries()[entries:]}
    assert not kinds & {"memory", "decision", "plan", "intent", "cycle.read"}

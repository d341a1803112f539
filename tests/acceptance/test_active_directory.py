"""The program with Active Directory as its directory: a scripted controller, every verb that reads people."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.company import Company
from tests.adlab import windows
from tests.adlab.windows import GROUPS, STAFF, Windows, group

ZOOM, MOVED = f"CN=zoom,{GROUPS}", "CN=Zoom Staff,OU=New,DC=corp,DC=example"
PEOPLE = 6


@pytest.fixture
def controller() -> Iterator[Windows]:
    """Six people, all in the group ``zoom``."""
    with Windows(windows.company(PEOPLE, PEOPLE)) as started:
        yield started


@pytest.fixture
def on_ad(company: Company, controller: Windows) -> Company:
    """The company, with its directory in Active Directory and everybody in step."""
    password = company.folder / "ad-password"
    password.write_text("S3cret.of.the.service\n")
    company.configure(
        {
            "directory": {
                "active_directory": {
                    "servers": [controller.url],
                    "allow_plaintext": True,
                    "bind": {"simple": {"user": "svc@corp.example", "password_file": str(password)}},
                    "base_dn": "DC=corp,DC=example",
                    "groups": [ZOOM],
                }
            }
        }
    )
    for number in range(1, PEOPLE + 1):
        company.account(f"p{number}", type=2)
    company.enforcing()
    return company


def move(controller: Windows) -> None:
    """The group gets another name in another place; it is the same object."""
    controller.entries[MOVED] = controller.entries.pop(ZOOM) | {"cn": ["Zoom Staff"], "samaccountname": ["zoom-staff"]}


@pytest.mark.parametrize(
    "words", [("plan",), ("check",), ("explain", "p1@corp.example"), ("plan", "--compare-with", "syncd.yaml"), ("apply",)]
)
def test_a_group_that_was_moved_is_found_by_every_verb(on_ad: Company, controller: Windows, words: tuple[str, ...]) -> None:
    """What a cycle finds by its remembered id, a dry run and a check find too, and write nothing for it."""
    move(controller)
    before = on_ad.everything_on_disk() if words[0] != "apply" else {}
    ran = on_ad.syncd(*words)

    assert 0 == ran.code, ran.said
    assert "does not exist" not in ran.said
    assert words[0] == "apply" or before == on_ad.everything_on_disk()


@pytest.mark.parametrize("verb", ["plan", "check"])
def test_a_group_that_is_gone_is_missing_all_the_same(on_ad: Company, controller: Windows, verb: str) -> None:
    """Remembered is not found."""
    del controller.entries[ZOOM]
    ran = on_ad.syncd(verb)

    assert 4 == ran.code
    assert f"'{ZOOM}' does not exist" in ran.said


def test_a_new_group_in_the_place_of_a_moved_one_is_held(on_ad: Company, controller: Windows) -> None:
    """The entry of the configuration means another object than before; nobody goes."""
    move(controller)
    controller.entries[ZOOM] = {name.lower(): list(values) for name, values in group(900_099, "zoom").items()}
    ran = on_ad.syncd("plan", "--format", "json")

    assert 3 == ran.code
    assert "group-replaced" in ran.tripped()
    assert [] == on_ad.written()


@pytest.mark.parametrize("named", ["S-1-5-21-1-2-3-4", "s-1-5-21-1-2-3-4 ", "00000000-0000-0000-0000-000000000004"])
def test_a_broken_object_may_be_ignored_by_its_sid(on_ad: Company, controller: Windows, named: str) -> None:
    """As by its id: it claims nothing and is named nowhere, its account is left alone; whoever else is unclear stays so."""
    for number in (3, 4):
        broken = windows.person(number, userAccountControl=[])
        controller.entries[f"CN=p{number},{STAFF}"] = {name.lower(): list(values) for name, values in broken.items()}
    on_ad.configure({"match.ignore_people": [named]})
    ran = on_ad.syncd("plan", "--format", "json")

    assert 0 == ran.code, ran.said
    assert ("keep", "exempt") == ran.action_of("p4@corp.example")
    assert ["ignored_person"] == next(row["notes"] for row in ran.document["decisions"] if row["email"] == "p4@corp.example")
    assert ("keep", "directory_unclear") == ran.action_of("p3@corp.example")
    assert ["00000000-0000-0000-0000-000000000003"] == [one["id"] for one in ran.document["directory"]["unclear"]]


@pytest.mark.parametrize(("ignored", "code"), [((), 4), (("S-1-5-21-9-9-9-1104",), 0), (("S-1-5-21-9-9-9-1105",), 4)])
def test_an_orphaned_stand_in_may_be_ignored_by_its_sid(
    on_ad: Company, controller: Windows, ignored: tuple[str, ...], code: int
) -> None:
    """Nobody is asked about it any more."""
    name = "CN=S-1-5-21-9-9-9-1104,CN=ForeignSecurityPrincipals,DC=corp,DC=example"
    controller.entries[ZOOM]["member"].append(name)
    on_ad.configure({"match.ignore_people": [*ignored]})

    assert code == on_ad.syncd("plan").code


def test_everyone_cannot_be_ignored(on_ad: Company, controller: Windows) -> None:
    """That is whoever logs on, and no broken object."""
    controller.entries[ZOOM]["member"].append("CN=S-1-1-0,CN=ForeignSecurityPrincipals,DC=corp,DC=example")
    on_ad.configure({"match.ignore_people": ["S-1-1-0"]})
    ran = on_ad.syncd("plan")

    assert 4 == ran.code
    assert "Everyone (S-1-1-0)" in ran.said


@pytest.mark.parametrize("ghosts", [1, 7])
def test_a_member_who_cannot_be_found_is_named_wherever_no_absence_counts(
    on_ad: Company, controller: Windows, ghosts: int
) -> None:
    """With ``unresolved_members: unknown`` nobody is absent any more: that is said, with whom to take out of the group."""
    controller.entries[ZOOM]["member"] += [f"CN=ghost{number},{STAFF}" for number in range(ghosts)]
    del controller.entries[f"CN=p2,{STAFF}"]
    controller.entries[ZOOM]["member"].remove(f"CN=p2,{STAFF}")
    on_ad.configure({"directory.active_directory.unresolved_members": "unknown"})

    assert ("keep", "directory_unclear") == on_ad.syncd("plan", "--format", "json").action_of("p2@corp.example")
    for words in (("plan",), ("check",), ("explain", "p2@corp.example")):
        ran = on_ad.syncd(*words)
        assert 0 == ran.code
        assert f"{ghosts} member(s) of groups cannot be resolved (CN=ghost0,{STAFF}" in ran.out
        assert ("and 2 more" in ran.out) is (ghosts == 7)
    del controller.entries[ZOOM]["member"][-ghosts:]
    assert "cannot be resolved" not in "".join(on_ad.syncd(*words).out for words in (("plan",), ("check",)))

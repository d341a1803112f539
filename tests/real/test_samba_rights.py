"""A real domain in which something is hidden from the bind account, or odd: nothing that is missing is read as nothing."""

from __future__ import annotations

import pytest

from tests.adlab.lab import Lab
from tests.real.samba_world import GROUPS, STAFF, SambaDirectory, entitled_names, ldif_group, unreadable

#: Attributes by the GUID that rights name them by (schemaIDGUID).
GUIDS = {
    "memberOf": "bf967991-0de6-11d0-a285-00aa003049e2",
    "member": "bf9679c0-0de6-11d0-a285-00aa003049e2",
    "accountExpires": "bf967915-0de6-11d0-a285-00aa003049e2",
    "primaryGroupID": "bf967a00-0de6-11d0-a285-00aa003049e2",
    "userAccountControl": "bf967a68-0de6-11d0-a285-00aa003049e2",
}


def hide(lab: Lab, attribute: str, dn: str, *, below: bool = False) -> None:
    """Takes the right to read an attribute of one object, or of all below it, from the bind account."""
    text = lab.samba_tool("user", "show", "svc-syncd", "--attributes=objectSid").split("objectSid: ")[1].split()[0]
    lab.samba_tool(
        "dsacl", "set", "--action=deny", f"--objectdn={dn}", f"--sddl=(OD;{'CI' if below else ''};RP;{GUIDS[attribute]};;{text})"
    )


def unit(name: str, *people: str) -> str:
    """LDIF of an OU with these people."""
    base = f"OU={name},DC=corp,DC=example"
    return f"dn: {base}\nobjectClass: organizationalUnit\n\n" + "".join(
        f"dn: CN={one},{base}\nobjectClass: user\nsAMAccountName: {name}{number}\ndisplayName: {one}\n"
        f"mail: {name.lower()}{number}@corp.example\nuserAccountControl: 512\n\n"
        for number, one in enumerate(people)
    )


@pytest.mark.parametrize("attribute", ["accountExpires", "primaryGroupID", "userAccountControl"])
async def test_an_attribute_that_is_hidden_of_one_or_of_all(changeable_samba, attribute):
    """Of one: that person is unclear. Of all below the bases: the right to grant is named."""
    lab, name = changeable_samba, f"Hide{attribute}"
    base = f"OU={name},DC=corp,DC=example"
    lab.add(unit(name, *(f"{attribute} {number}" for number in range(3))))
    lab.add(ldif_group(name, [f"CN={attribute} {number},{base}" for number in range(3)]))
    hide(lab, attribute, f"CN={attribute} 1,{base}")
    directory = SambaDirectory(lab, "zoom-flat", name, base_dns=(base, STAFF))
    snapshot = await directory.read()
    unclear = [person for person in snapshot.people if person.unclear]

    assert [f"{attribute} 1"] == [person.display_name for person in unclear]
    assert f"{attribute} is missing, or the bind account may not read it" == unclear[0].unclear

    for number in (0, 2):
        hide(lab, attribute, f"CN={attribute} {number},{base}")
    error = await unreadable(SambaDirectory(lab, name, base_dns=(base,)))
    assert f"may not read {attribute} of any of 3 people" in error.what
    assert f"Read property {attribute}" in error.do


async def test_no_look_is_blind_where_memberof_is_hidden(changeable_samba):
    """The whole read and the look ask for the same right."""
    lab = changeable_samba
    lab.add(unit("Blind", "Blind One", "Blind Two"))
    base = "OU=Blind,DC=corp,DC=example"
    lab.add(ldif_group("blind-inner", [f"CN=Blind Two,{base}"]))
    lab.add(ldif_group("blind", [f"CN=Blind One,{base}", f"CN=blind-inner,{GROUPS}"]))
    hide(lab, "memberOf", base, below=True)
    hide(lab, "memberOf", f"CN=blind-inner,{GROUPS}")
    directory = SambaDirectory(lab, "blind", base_dns=(base,))
    snapshot = await directory.read()
    looked = [await directory.recheck_person(person.id, []) for person in snapshot.people]
    first = [await directory.look_first(person.id) for person in snapshot.people]
    await directory.close()

    assert {("blind",), ("blind", "blind-inner")} == {person.entitled_by for person in snapshot.people}
    assert [(person,) for person in snapshot.people] == looked == first


@pytest.mark.parametrize(("one", "other"), [("Gross", "Gro\u00df"), ("Fu\u00dfmann", "Fussmann")])
async def test_names_that_fold_alike_are_told_apart(changeable_samba, one, other):
    """Two people in one OU, one of them in the group."""
    lab, name = changeable_samba, f"Fold{len(one)}"
    base = f"OU={name},DC=corp,DC=example"
    lab.add(unit(name, one, other))
    lab.add(ldif_group(name, [f"CN={one},{base}"]))
    directory = SambaDirectory(lab, name, base_dns=(base,))
    snapshot = await directory.read()
    looked = [await directory.recheck_person(person.id, []) for person in snapshot.people]
    await directory.close()

    assert {one} == entitled_names(snapshot)
    assert [(person,) for person in snapshot.people] == looked


@pytest.mark.parametrize("password", ["Pass\u00b4word1", "Pass\u00b2word1", "Pass\u00a0word1"])
async def test_a_password_with_characters_that_saslprep_changes_binds(changeable_samba, password):
    """As it does for other clients."""
    lab = changeable_samba
    lab.samba_tool("user", "setpassword", "bind-ok", f"--newpassword={password}")

    assert (await SambaDirectory(lab, user="bind-ok@corp.example", password=password).read()).people

"""Corp Example in Entra: the same people, the same events, and a program that serves it."""

from __future__ import annotations

import asyncio
import ssl
import sys

import httpx
import pytest
import yaml

from syncd.lab.company import CHIEF, ENTITLING_GROUP, bad_day, corp_example, day_one, rehire, reorganisation
from syncd.lab.entra.company import GUEST_ADDRESS, entra_id, entra_of, in_entra, move
from syncd.lab.entra.objects import EntraUser
from syncd.lab.entra.tenant import EntraTenant
from syncd.lab.population import population
from syncd.model import Reason
from tests.contract.lab_clock import MORNING, StandingClock
from tests.contract.lab_graph import an_entra, ids


def entitled(tenant: EntraTenant) -> set[str]:
    """Principal names of the enabled members on any level, the guest aside."""
    found = (tenant.state.objects.get(id_) for id_ in tenant.state.below(tenant.resolve(ENTITLING_GROUP)))
    return {
        user.user_principal_name
        for user in found
        if isinstance(user, EntraUser) and user.account_enabled and user.user_type == "Member"
    }


def test_everybody_who_is_entitled_by_the_file_is_entitled_in_entra():
    """Some of them by way of a nested group."""
    company, clock = corp_example(MORNING), StandingClock()
    tenant = entra_of(company, clock.now)

    assert {person.address for person in company.people if ENTITLING_GROUP in person.groups} == entitled(tenant)
    direct = set(tenant.members_of(ENTITLING_GROUP))
    assert 64 == sum(entra_id(person) not in direct for person in company.people)


def test_addresses_are_mail_principal_name_and_proxies():
    """The chief has two, the guest is no member of the tenant."""
    tenant = entra_of(corp_example(MORNING), StandingClock().now)
    chief = tenant.user("amara.okafor@corp.example")

    assert ("SMTP:amara.okafor@corp.example", f"smtp:{CHIEF}") == chief.proxy_addresses
    assert "Guest" == tenant.user(GUEST_ADDRESS).user_type


async def test_graph_shows_the_untidy_parts_of_the_company_too():
    """A device, a service principal and a contact are members; the hidden group has two people nobody sees."""
    clock = StandingClock()
    async with an_entra(tenant=entra_of(corp_example(MORNING), clock.now), clock=clock) as entra:
        rows = await entra.walk(f"/groups/{entra.tenant.resolve(ENTITLING_GROUP)}/members?$select=id&$top=999")
        kinds = [row["@odata.type"].rpartition(".")[2] for row in rows]
        hidden = await entra.walk(f"/groups/{entra.tenant.resolve('Redundancy planning')}/members")

        assert {"user": 177, "group": 1, "device": 1, "servicePrincipal": 1, "orgContact": 1} == {
            kind: kinds.count(kind) for kind in set(kinds)
        }
        assert [] == hidden


async def test_day_one_is_visible_in_a_delta():
    """Left the group, deleted, disabled (twice: contracts do not expire here), renamed."""
    clock = StandingClock()
    company = corp_example(MORNING)
    async with an_entra(tenant=entra_of(company, clock.now), clock=clock) as entra:
        _, users = await entra.delta("/users/delta?$select=accountEnabled,mail&$deltatoken=latest")
        _, groups = await entra.delta("/groups/delta?$select=members&$deltatoken=latest")
        leaving = in_entra(day_one(company, MORNING))
        move(entra.tenant, leaving.company)
        changed = (await entra.delta(users))[0]

        people = {person.id: person for person in company.people}
        gone = company.department("Engineering")[20]
        assert 5 == len(changed)
        assert [entra_id(gone)] == [row["id"] for row in changed if "@removed" in row]
        assert 3 == sum(row.get("accountEnabled") is False for row in changed)
        assert {entra.tenant.resolve(ENTITLING_GROUP)} == ids((await entra.delta(groups))[0])
        assert entra_id(people[gone.id]) in entra.tenant.state.bin
        assert Reason.EXPIRED_IN_DIRECTORY not in [one.reason for one in leaving.expects]


def test_a_rehire_is_the_same_object_again():
    """Restored from the recycle bin, with its memberships."""
    company, clock = corp_example(MORNING), StandingClock()
    tenant = entra_of(company, clock.now)
    leaving = day_one(company, MORNING)
    move(tenant, leaving.company)
    gone = company.department("Engineering")[20]
    assert gone.address not in entitled(tenant)
    move(tenant, rehire(leaving.company, company).company)

    assert gone.address in entitled(tenant)
    assert entra_id(gone) == tenant.user(gone.address).id


@pytest.mark.parametrize(("event", "in_bin"), [(bad_day, 60), (reorganisation, 0)])
def test_a_department_may_be_lost_or_moved(event, in_bin):
    """Deleted from the directory, or out of the group."""
    company, clock = corp_example(MORNING), StandingClock()
    tenant = entra_of(company, clock.now)
    before = entitled(tenant)
    move(tenant, event(company).company)

    assert (60, in_bin) == (len(before) - len(entitled(tenant)), len(tenant.state.bin))


def test_moving_to_where_one_is_changes_nothing():
    """No line in the journal."""
    company, clock = corp_example(MORNING), StandingClock()
    tenant = entra_of(company, clock.now)
    move(tenant, company)

    assert [] == tenant.journal


def test_a_large_company_can_be_made():
    """For benchmarks."""
    tenant = entra_of(population(2_000, MORNING, leavers=10), StandingClock().now)

    assert 1_991 == tenant.user_count


async def test_the_program_serves_entra_and_zoom_and_writes_a_configuration(tmp_path):
    """And stops when asked to."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "syncd.lab", "entra", "--port", "0", "--out", str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    try:
        assert program.stdout is not None
        said = [(await asyncio.wait_for(program.stdout.readline(), 60)).decode() for _ in range(3)]
        config = yaml.safe_load((tmp_path / "syncd.yaml").read_text(encoding="utf-8"))
        entra = config["directory"]["entra"]
        async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=entra["ca_file"])) as http:
            token = (
                await http.post(
                    f"{entra['authority_url']}/{entra['tenant_id']}/oauth2/v2.0/token",
                    data={
                        "grant_type": "client_credentials",
                        "client_id": entra["client_id"],
                        "scope": "https://graph.microsoft.com/.default",
                        "client_secret": (tmp_path / "entra-secret").read_text(encoding="utf-8"),
                    },
                )
            ).json()["access_token"]
            groups = (
                await http.get(
                    f"{entra['graph_url']}/groups",
                    params={"$filter": f"displayName eq '{entra['groups'][0]}'"},
                    headers={"Authorization": f"Bearer {token}"},
                )
            ).json()["value"]
    finally:
        program.terminate()
        await program.wait()

    assert 0 == program.returncode
    assert "with 240 users" in said[1]
    assert ["Zoom Users"] == [group["displayName"] for group in groups]

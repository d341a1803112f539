"""What the simulated token service promises: every proof an app can give, and every refusal with Entra's own number."""

from __future__ import annotations

import base64
from datetime import timedelta

import httpx
import msgspec
import pytest

from syncd.lab import faults
from syncd.lab.entra.apps import AppSecret, EntraApp
from syncd.lab.entra.assertions import Issuer
from syncd.lab.entra.codes import CODES, sign_in_refused
from syncd.lab.entra.login import SimulatedIdentity
from syncd.lab.entra.objects import guid
from tests.contract.lab_clock import MORNING
from tests.contract.lab_graph import Entra, an_entra

SUBJECT = "system:serviceaccount:syncd:syncd"
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    """A cluster's token issuer."""
    return Issuer()


def brief(answer: httpx.Response) -> tuple[int, str, int]:
    """Status, OAuth error and AADSTS number; the description has to begin with the number."""
    body = answer.json()
    number: int = body["error_codes"][0]
    assert body["error_description"].startswith(f"AADSTS{number}: ")
    return answer.status_code, body["error"], number


async def by_federation(entra: Entra, assertion: str) -> httpx.Response:
    """A token request with a federated token."""
    return await entra.sign_in(client_secret="", client_assertion=assertion, client_assertion_type=BEARER)


async def test_a_tenant_tells_where_to_sign_in():
    """By its id or one of its domains; all addresses lead back here."""
    async with an_entra() as entra:
        for name in (entra.tenant.id, "corp.example"):
            found = (await entra.sign_in_http.get(f"/{name}/v2.0/.well-known/openid-configuration")).json()
            assert f"https://login.test/{name}/oauth2/v2.0/token" == found["token_endpoint"]
            assert f"https://login.test/{name}/oauth2/v2.0/authorize" == found["authorization_endpoint"]


async def test_an_unknown_tenant_is_refused_everywhere():
    """AADSTS90002, as when the cloud is the wrong one."""
    async with an_entra() as entra:
        where = await entra.sign_in_http.get(f"/{guid('elsewhere')}/v2.0/.well-known/openid-configuration")

        assert (400, "invalid_tenant", 90002) == brief(where)
        assert (400, "invalid_tenant", 90002) == brief(await entra.sign_in(tenant=guid("elsewhere")))


async def test_a_token_says_what_its_app_may_do():
    """The roles of the app at that moment; without any there is no such claim."""
    async with an_entra() as entra:
        answer = (await entra.sign_in()).json()
        claims = claims_of(answer["access_token"])

        assert ("Bearer", 3600, 3600) == (answer["token_type"], answer["expires_in"], answer["ext_expires_in"])
        assert ["GroupMember.Read.All", "User.Read.All"] == claims["roles"]
        assert (entra.tenant.id, entra.app.client_id, "https://graph.microsoft.com") == tuple(
            claims[name] for name in ("tid", "appid", "aud")
        )
        entra.app.roles = frozenset()
        assert "roles" not in claims_of((await entra.sign_in()).json()["access_token"])


async def test_a_service_may_say_when_to_renew():
    """``refresh_in`` is not always there."""
    async with an_entra() as entra:
        assert "refresh_in" not in (await entra.sign_in()).json()
        entra.login.refresh_in = 1800
        assert 1800 == (await entra.sign_in()).json()["refresh_in"]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"client_secret": "guess"}, (401, "invalid_client", 7000215)),
        ({"client_secret": AppSecret("lab-entra-secret").key_id}, (401, "invalid_client", 7000215)),
        ({"client_secret": ""}, (401, "invalid_client", 7000218)),
        ({"client_id": guid("stranger")}, (400, "unauthorized_client", 700016)),
        ({"client_id": ""}, (400, "invalid_request", 900144)),
        ({"grant_type": "password"}, (400, "unsupported_grant_type", 70003)),
        ({"scope": "User.Read"}, (400, "invalid_scope", 1002012)),
        ({"scope": "https://graph.microsoft.us/.default"}, (400, "invalid_resource", 500011)),
        ({"scope": "http://127.0.0.1:8443/.default"}, (400, "invalid_resource", 500011)),
        (
            {"client_secret": "", "client_assertion": "not.a.token", "client_assertion_type": BEARER},
            (400, "invalid_request", 50027),
        ),
        ({"client_secret": "", "client_assertion": "a.b.c"}, (401, "invalid_client", 7000218)),
    ],
)
async def test_a_wrong_request_is_refused_with_entras_number(form, said):
    """Branch on the number, never on the words."""
    async with an_entra() as entra:
        assert said == brief(await entra.sign_in(**form))


async def test_a_secret_ends():
    """The old one with its own number, a second one beside it goes on."""
    async with an_entra() as entra:
        entra.app.secrets = (AppSecret("lab-entra-secret", MORNING), AppSecret("new"))

        assert (401, "invalid_client", 7000222) == brief(await entra.sign_in())
        assert 200 == (await entra.sign_in(client_secret="new")).status_code


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("enabled", (400, "unauthorized_client", 7000112)),
        ("consented", (401, "invalid_client", 7000229)),
    ],
)
async def test_an_app_that_is_off_or_was_never_admitted_is_refused(field, said):
    """Before anybody thinks of permissions."""
    async with an_entra() as entra:
        setattr(entra.app, field, False)

        assert said == brief(await entra.sign_in())


async def test_a_tenant_of_another_cloud_is_refused():
    """The token service of one cloud does not serve another's."""
    async with an_entra() as entra:
        entra.login.cloud = "us_gov"

        assert (400, "invalid_request", 900382) == brief(await entra.sign_in())


async def test_a_federated_token_is_good_for_its_subject_and_audience(issuer):
    """Signed by an issuer the app trusts."""
    async with an_entra() as entra:
        entra.app.federated = (issuer.trusted_for(SUBJECT),)

        assert 200 == (await by_federation(entra, issuer.token(SUBJECT, MORNING))).status_code


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ({"iss": "https://oidc.cluster.example"}, (400, "invalid_request", 70021)),  # the slash is missing
        ({"sub": "system:serviceaccount:syncd:Syncd"}, (400, "invalid_request", 70021)),  # case counts
        ({"aud": ["https://kubernetes.default.svc"]}, (400, "invalid_request", 70021)),
        ({"exp": int((MORNING - timedelta(hours=1)).timestamp())}, (401, "invalid_client", 700024)),
        ({"nbf": int((MORNING + timedelta(hours=1)).timestamp())}, (401, "invalid_client", 700024)),
    ],
)
async def test_a_federated_token_that_does_not_fit_is_refused(issuer, token, said):
    """Issuer, subject and audience to the letter; times with five minutes' grace."""
    async with an_entra() as entra:
        entra.app.federated = (issuer.trusted_for(SUBJECT),)

        assert said == brief(await by_federation(entra, issuer.token(SUBJECT, MORNING, **token)))


async def test_a_stale_federated_token_is_told_its_times(issuer):
    """What a client sees that kept a projected token too long."""
    async with an_entra() as entra:
        entra.app.federated = (issuer.trusted_for(SUBJECT),)
        old = issuer.token(SUBJECT, MORNING - timedelta(hours=3))
        body = (await by_federation(entra, old)).json()

        assert (
            "Current time: 2026-03-02T09:00:00.0000000Z, assertion valid from 2026-03-02T06:00:00.0000000Z"
            in (body["error_description"])
        )


async def test_a_federated_token_signed_by_somebody_else_is_refused(issuer):
    """Same claims, another key."""
    async with an_entra() as entra:
        entra.app.federated = (issuer.trusted_for(SUBJECT),)

        assert (400, "invalid_request", 50027) == brief(await by_federation(entra, Issuer().token(SUBJECT, MORNING)))


@pytest.mark.parametrize("number", sorted(CODES))
async def test_any_refusal_of_the_token_service_can_be_played(number):
    """Also those nothing here leads to, such as 90033 or 530032."""
    async with an_entra() as entra:
        entra.login.faults.add(sign_in_refused(number, Retry_After="3"), "token")
        refused = await entra.sign_in()

        assert CODES[number][:2] == brief(refused)[:2]
        assert ("3", str(number)) == (refused.headers["retry-after"], entra.login.requests[0].code)
        assert 200 == (await entra.sign_in()).status_code


async def test_the_token_service_can_be_out_of_order():
    """A page for people; the record says so without the secret."""
    async with an_entra() as entra:
        entra.login.faults.add(faults.html_page(503), "token")

        assert 503 == (await entra.sign_in()).status_code
        assert [("token", 503)] == [(seen.operation, seen.status) for seen in entra.login.requests]
        assert "lab-entra-secret" not in repr(entra.login.requests) + repr(entra.app)


# ------------------------------------------------------------------------------------------------- a machine's identity

IDENTITY = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://graph.microsoft.com"


async def by_identity(identity: SimulatedIdentity, path: str = IDENTITY, **headers: str) -> httpx.Response:
    """A request to the machine's identity endpoint."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(identity), base_url="http://imds.test") as http:
        return await http.get(path, headers={"Metadata": "true", **headers})


async def test_a_machine_has_tokens_of_its_identities():
    """Its own, or one of those it was given; numbers are text."""
    async with an_entra() as entra:
        own, given = EntraApp(client_id=guid("own")), EntraApp(client_id=guid("given"))
        identity = SimulatedIdentity(entra.login, system=own, assigned=(given,))
        answer = (await by_identity(identity)).json()

        assert ("86400", "Bearer", own.client_id) == (answer["expires_in"], answer["token_type"], answer["client_id"])
        assert given.client_id == (await by_identity(identity, f"{IDENTITY}&client_id={given.client_id}")).json()["client_id"]
        entra.token = answer["access_token"]
        assert 200 == (await entra.get("/users")).status_code


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (IDENTITY, {"Metadata": "false"}),
        (IDENTITY, {"X-Forwarded-For": "10.0.0.1"}),
        (IDENTITY.partition("&")[0], {}),
        (f"{IDENTITY}&client_id={guid('nobody')}", {}),
        (IDENTITY.replace("graph.microsoft.com", "elsewhere.example"), {}),
    ],
)
async def test_a_wrong_question_to_the_machine_is_refused(path, headers):
    """The header that keeps pages out, the resource, an identity it does not have."""
    async with an_entra() as entra:
        assert 400 == (await by_identity(SimulatedIdentity(entra.login, system=entra.app), path, **headers)).status_code


async def test_a_machine_without_identity_says_so():
    """As IMDS does."""
    async with an_entra() as entra:
        answer = await by_identity(SimulatedIdentity(entra.login))

        assert {"error": "invalid_request", "error_description": "Identity not found"} == answer.json()


def claims_of(token: str) -> dict:
    """The claims of a JWT, unverified."""
    part = token.split(".")[1]
    return msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))

"""The simulated token service answers msal, which knows nothing of this project, in every way an app can prove itself."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msal
import pytest
import requests
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from syncd.host.clock import SystemClock
from syncd.lab import faults
from syncd.lab.entra.apps import AppSecret, EntraApp
from syncd.lab.entra.assertions import Issuer
from syncd.lab.entra.codes import sign_in_refused
from syncd.lab.entra.login import SimulatedIdentity, SimulatedLogin
from syncd.lab.entra.objects import guid
from syncd.lab.entra.serving import EntraServing, certificate_files, serve_entra_in_thread
from syncd.lab.graph.service import SimulatedGraph
from syncd.lab.server import serve, serve_in_thread
from tests.contract.lab_graph import a_served_tenant

SCOPES = ["https://graph.microsoft.com/.default"]
SUBJECT = "system:serviceaccount:syncd:syncd"


@dataclass
class Lab:
    """A served Entra with the real time, for a client that keeps it too."""

    login: SimulatedLogin
    graph: SimulatedGraph
    at: EntraServing
    sessions: list[requests.Session] = field(default_factory=list)

    def client(self, credential: Any, **more: Any) -> msal.ConfidentialClientApplication:
        """msal with that credential; ``authority`` and ``http_client`` can be replaced."""
        settings = {"authority": f"{self.at.authority_url}/{self.login.tenant.id}", "http_client": self.session(), **more}
        return msal.ConfidentialClientApplication(
            self.login.app.client_id, client_credential=credential, instance_discovery=False, **settings
        )

    def session(self) -> requests.Session:
        """requests, trusting the lab's authority and nothing of the surroundings."""
        session = requests.Session()
        self.sessions.append(session)
        session.trust_env = False
        session.verify = str(self.at.ca_file)
        return session


@pytest.fixture
def lab(tmp_path) -> Iterator[Lab]:
    """Over https in a thread."""
    login, graph = a_served_tenant()
    with serve_entra_in_thread(login, graph, tmp_path) as at:
        lab = Lab(login, graph, at)
        yield lab
        for session in lab.sessions:
            session.close()


def works(lab: Lab, client: Any) -> dict[str, Any]:
    """A token, proven by Graph taking it."""
    answer = client.acquire_token_for_client(SCOPES)
    assert "access_token" in answer, answer
    users = requests.get(f"{lab.at.graph_url}/users", headers={"Authorization": f"Bearer {answer['access_token']}"}, timeout=10)
    assert 200 == users.status_code
    return answer


def test_msal_signs_in_with_a_secret_and_keeps_the_token(lab):
    """The second time nothing is asked."""
    client = lab.client("lab-entra-secret")

    assert "identity_provider" == works(lab, client)["token_source"]
    assert "cache" == works(lab, client)["token_source"]
    assert ["discovery", "token"] == [seen.operation for seen in lab.login.requests]


@pytest.fixture(scope="module")
def certificate() -> trustme.LeafCert:
    """A certificate with an RSA key, as Entra wants one."""
    return trustme.CA(key_type=trustme.KeyType.RSA).issue_cert("syncd.example", key_type=trustme.KeyType.RSA)


def test_msal_signs_in_with_a_certificate(lab, certificate):
    """PS256 and the certificate's SHA-256, the way of today; another certificate is refused."""
    key, public = certificate.private_key_pem.bytes().decode(), certificate.cert_chain_pems[0].bytes().decode()
    lab.login.app.certificates = (public,)
    works(lab, lab.client({"private_key": key, "public_certificate": public}))

    other = trustme.CA(key_type=trustme.KeyType.RSA).issue_cert("other.example", key_type=trustme.KeyType.RSA)
    refused = lab.client(
        {"private_key": other.private_key_pem.bytes().decode(), "public_certificate": other.cert_chain_pems[0].bytes().decode()}
    ).acquire_token_for_client(SCOPES)
    mixed = lab.client({"private_key": other.private_key_pem.bytes().decode(), "public_certificate": public})

    assert [700027] == refused["error_codes"]
    assert "not registered" in refused["error_description"]
    assert "invalid signature" in mixed.acquire_token_for_client(SCOPES)["error_description"]


def test_msal_signs_in_with_a_certificate_the_old_way(lab, certificate):
    """RS256 and SHA-1."""
    public = certificate.cert_chain_pems[0].bytes()
    der = x509.load_pem_x509_certificate(public).public_bytes(serialization.Encoding.DER)
    lab.login.app.certificates = (public.decode(),)

    works(
        lab,
        lab.client(
            {
                "private_key": certificate.private_key_pem.bytes().decode(),
                "thumbprint": hashlib.sha1(der, usedforsecurity=False).hexdigest(),
            }
        ),
    )


def test_a_certificate_that_is_over_is_refused(lab):
    """Although it is still registered."""
    old = trustme.CA(key_type=trustme.KeyType.RSA).issue_cert(
        "syncd.example",
        key_type=trustme.KeyType.RSA,
        not_before=SystemClock().now() - timedelta(days=9),
        not_after=SystemClock().now() - timedelta(days=1),
    )
    public = old.cert_chain_pems[0].bytes().decode()
    lab.login.app.certificates = (public,)
    answer = lab.client(
        {"private_key": old.private_key_pem.bytes().decode(), "public_certificate": public}
    ).acquire_token_for_client(SCOPES)

    assert [700027] == answer["error_codes"]
    assert "The key used is expired" in answer["error_description"]


def test_msal_signs_in_with_a_projected_token(lab):
    """The callable is asked when a request is made; a stale token is refused."""
    issuer = Issuer()
    lab.login.app.federated = (issuer.trusted_for(SUBJECT),)
    works(lab, lab.client({"client_assertion": lambda: issuer.token(SUBJECT, SystemClock().now())}))

    stale = issuer.token(SUBJECT, SystemClock().now() - timedelta(hours=2))
    answer = lab.client({"client_assertion": lambda: stale}).acquire_token_for_client(SCOPES)
    assert [700024] == answer["error_codes"]


def test_msal_signs_in_as_a_machine(lab, monkeypatch):
    """From the identity endpoint, system-assigned and user-assigned."""
    given = EntraApp(client_id=guid("given"))
    identity = SimulatedIdentity(lab.login, system=lab.login.app, assigned=(given,))
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    with serve_in_thread(identity) as serving:
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", serving.url)
        for who in (msal.SystemAssignedManagedIdentity(), msal.UserAssignedManagedIdentity(client_id=given.client_id)):
            client = msal.ManagedIdentityClient(who, http_client=lab.session())
            answer = client.acquire_token_for_client(resource="https://graph.microsoft.com")
            assert "access_token" in answer, answer
        stranger = msal.ManagedIdentityClient(
            msal.UserAssignedManagedIdentity(client_id=guid("stranger")), http_client=lab.session()
        )
        refused = stranger.acquire_token_for_client(resource="https://graph.microsoft.com")

    assert "invalid_request" == refused["error"]
    assert [lab.login.app.client_id, given.client_id, ""] == [seen.app for seen in identity.requests]


@pytest.mark.parametrize(("secret", "number"), [("guess", 7000215), ("old", 7000222)])
def test_msal_hands_on_why_a_secret_was_refused(lab, secret, number):
    """With the number in ``error_codes``."""
    lab.login.app.secrets = (AppSecret("lab-entra-secret"), AppSecret("old", SystemClock().now() - timedelta(days=1)))
    answer = lab.client(secret).acquire_token_for_client(SCOPES)

    assert ([number], "invalid_client") == (answer["error_codes"], answer["error"])
    assert {"timestamp", "trace_id", "correlation_id", "error_uri"} < answer.keys()


def test_msal_refuses_an_unknown_tenant_when_it_is_built(lab):
    """It never gets as far as a token."""
    with pytest.raises(ValueError, match="authority configuration"):
        lab.client("lab-entra-secret", authority=f"{lab.at.authority_url}/{guid('elsewhere')}")


def test_msal_raises_when_the_token_service_is_down(lab):
    """503 becomes an exception; a refusal by policy an answer."""
    lab.login.faults.add(faults.html_page(503), "token")
    lab.login.faults.add(sign_in_refused(530032), "token", skip=1)

    with pytest.raises(msal.exceptions.MsalServiceError, match="503"):
        lab.client("lab-entra-secret").acquire_token_for_client(SCOPES)
    assert [530032] == lab.client("lab-entra-secret").acquire_token_for_client(SCOPES)["error_codes"]


def test_msal_takes_the_tenants_v2_issuer_as_an_oidc_authority(lab):
    """The issuer told in discovery is the one asked."""
    client = msal.ConfidentialClientApplication(
        lab.login.app.client_id,
        client_credential="lab-entra-secret",
        http_client=lab.session(),
        oidc_authority=f"{lab.at.authority_url}/{lab.login.tenant.id}/v2.0",
    )

    works(lab, client)


async def test_the_certificate_of_the_lab_is_trusted_by_its_authority_and_by_nobody_else(tmp_path):
    """As strict as a client may look."""
    files = certificate_files(tmp_path)
    login, _ = a_served_tenant()
    strict = ssl.create_default_context(cafile=files.ca)
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    async with serve(login, certfile=str(files.chain), keyfile=str(files.key)) as serving:
        _, writer = await asyncio.open_connection(serving.host, serving.port, ssl=strict)
        writer.close()
        await writer.wait_closed()
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection(serving.host, serving.port, ssl=ssl.create_default_context())

    assert 0o600 == files.key.stat().st_mode & 0o777

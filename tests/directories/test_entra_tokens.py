"""Tokens for Graph: by secret, certificate, federated token and managed identity, from the simulated token service by msal."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from syncd.directories.entra.certificate import key_and_certificate
from syncd.directories.entra.reader import Certificate, ClientSecret, EntraSettings, FederatedToken, ManagedIdentity
from syncd.directories.entra.tokens import EntraTokens, roles_in
from syncd.errors import ConfigError, CredentialsRefused, LimitReached
from syncd.events import Answered, CredentialExpires, Noted, RetryScheduled
from syncd.host.secrets import SecretFile
from syncd.lab.entra.apps import AppSecret
from syncd.lab.entra.assertions import Issuer
from syncd.lab.entra.codes import sign_in_refused
from syncd.lab.entra.login import SimulatedIdentity
from syncd.lab.faults import connection_reset, field_set, html_page, token_expired
from syncd.lab.graph.faults import signing_key_invalid
from syncd.lab.server import serve
from tests.directories.entra_world import SECRET, EntraWorld, an_entra, unreadable

# ----------------------------------------------------------------------------------------------- the four credentials


async def test_a_client_secret_gets_a_token_with_the_permissions_in_it(tmp_path: Path) -> None:
    """The roles claim tells what was granted."""
    async with an_entra(tmp_path) as world:
        tokens = made(world)
        token = await tokens.get()

    assert roles_in(token) == tokens.roles == {"GroupMember.Read.All", "User.Read.All"}


async def test_a_rotated_secret_is_used_at_the_next_renewal(tmp_path: Path) -> None:
    """The file is read again: no restart."""
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    async with an_entra(tmp_path) as world:
        tokens = made(world, credential=ClientSecret(SecretFile("directory.entra.credential.client_secret_file", secret)))
        first = await tokens.get()
        world.login.app.secrets = (AppSecret("another secret"),)
        secret.write_text("another secret")
        tokens.refused(first)
        second = await tokens.get()

    assert first != second


async def test_a_certificate_signs_for_itself(tmp_path: Path) -> None:
    """Key and certificate from one PEM file; a chain beside them does not matter; its end is known."""
    pem, certificate, ends_at = a_certificate()
    other, other_certificate, _ = a_certificate()
    async with an_entra(tmp_path) as world:
        world.login.app.certificates = (certificate,)
        tokens = made(world, credential=Certificate(lambda: other_certificate + pem))
        assert await tokens.get()
        assert ends_at == tokens.credential_ends_at()
    assert other != pem


async def test_a_federated_token_is_read_anew_for_every_request(tmp_path: Path) -> None:
    """The platform replaces it every hour."""
    issuer, subject, read = Issuer(), "system:serviceaccount:syncd:syncd", []
    async with an_entra(tmp_path) as world:
        world.login.app.federated = (issuer.trusted_for(subject),)

        def projected() -> str:
            read.append(issuer.token(subject, world.clock.now(), jti=str(len(read))))
            return read[-1]

        tokens = made(world, credential=FederatedToken(projected))
        first = await tokens.get()
        assert first == await tokens.get()
        tokens.refused(first)
        assert first != await tokens.get()

    assert 2 == len(read) == len(set(read))


@pytest.mark.parametrize("which", ["system", "assigned"])
async def test_a_managed_identity_is_asked_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str) -> None:
    """The system-assigned one, or a user-assigned one by its client id; no client id of an app is needed."""
    async with an_entra(tmp_path) as world:
        app = world.login.app
        identity = SimulatedIdentity(world.login, **{"system": {"system": app}, "assigned": {"assigned": (app,)}}[which])
        async with serve(identity) as machine:
            monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", machine.url)
            chosen = ManagedIdentity(None if which == "system" else app.client_id)
            snapshot = await world.directory(credential=chosen, client_id=None).read()
            assert 4 == len(snapshot.people)


async def test_where_no_managed_identity_answers_this_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On any other machine."""
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    async with an_entra(tmp_path) as world:
        error = await unreadable(world.directory(credential=ManagedIdentity(), client_id=None))
        assert [] == world.graph.requests
    assert "no managed identity answers here" in error.what
    assert "machine of Azure" in error.do


# ------------------------------------------------------------------------------------------------- one at a time, once


async def test_many_who_ask_at_once_cost_one_request(tmp_path: Path) -> None:
    """msal alone would send one each."""
    async with an_entra(tmp_path) as world:
        tokens = made(world)
        got = await asyncio.gather(*(tokens.get() for _ in range(8)))

        assert 1 == len(set(got))
        assert 1 == len(world.login.asked("token"))


async def test_a_token_is_renewed_before_it_ends(tmp_path: Path) -> None:
    """Some minutes before, and only then."""
    async with an_entra(tmp_path) as world:
        tokens = made(world)
        first = await tokens.get()
        world.clock.passed += 3200
        assert first == await tokens.get()


async def test_a_good_token_outlives_a_token_service_that_is_down(tmp_path: Path) -> None:
    """Microsoft asked for an early renewal and cannot serve it: the old token still holds, and the cycle goes on."""
    async with an_entra(tmp_path) as world:
        world.login.refresh_in = -60  # to be renewed at once
        tokens = made(world)
        first = await tokens.get()
        for fault in (html_page(503), connection_reset(), sign_in_refused(90033, status=400), sign_in_refused(7000222)):
            world.login.faults.add(fault, "token")
            world.clock.passed += 61
            assert first == await tokens.get()
        world.clock.passed += 61
        assert first != await tokens.get()


async def test_a_refused_token_is_not_taken_from_memory_again(tmp_path: Path) -> None:
    """A token that died between two pages: one renewal, from the configured authority, and the same page again."""
    async with an_entra(tmp_path) as world:
        world.graph.faults.add(token_expired(), "list_users")
        assert 4 == len((await world.directory().read()).people)
        assert 2 == len(world.login.asked("token"))
        assert [401, 200] == [seen.status for seen in world.graph.asked("list_users")]


async def test_two_refused_tokens_in_a_row_end_the_read(tmp_path: Path) -> None:
    """Microsoft's keys were wrong for hours once: nothing is concluded, nothing is asked for ever."""
    async with an_entra(tmp_path) as world:
        world.graph.faults.add(signing_key_invalid(), "list_users", times=None)
        error = await unreadable(world.directory())
        assert isinstance(error, CredentialsRefused)
        assert "a fresh token was refused too (answered 401: Signing key is invalid." in error.what


# -------------------------------------------------------------------------------------------------------------- retries


@pytest.mark.parametrize(
    "fault",
    [
        html_page(503),
        connection_reset(),
        sign_in_refused(90033),
        sign_in_refused(90061),
        sign_in_refused(90055),
    ],
    ids=["503", "reset", "90033", "90061", "90055"],
)
async def test_what_is_temporary_is_tried_again(tmp_path: Path, fault: Any) -> None:
    """msal would replay a 400 for a minute, and take a 5xx for the end."""
    async with an_entra(tmp_path) as world:
        world.login.faults.add(fault, "token", times=2)
        tokens = made(world)
        assert await tokens.get()

        retries = world.of(RetryScheduled)
        assert [("graph", "token", 1), ("graph", "token", 2)] == [(one.service, one.operation, one.attempt) for one in retries]
        assert "ok" == world.of(Answered)[-1].answer


async def test_a_wait_the_token_service_names_is_kept(tmp_path: Path) -> None:
    """Also with a fraction, which msal does not understand."""
    async with an_entra(tmp_path) as world:
        world.login.faults.add(sign_in_refused(90033, status=429, Retry_After="7.5"), "token")
        assert await made(world).get()
        assert [7.5] == world.clock.slept


async def test_what_stays_broken_is_given_up(tmp_path: Path) -> None:
    """After four tries, with zero requests to Graph."""
    async with an_entra(tmp_path) as world:
        world.login.faults.add(html_page(503), "*", times=None)
        error = await unreadable(world.directory())
        assert "answered 503 with something that is no token (text/html" in error.what
        assert 4 == len(world.login.requests)
        assert [] == world.graph.requests


async def test_a_longer_wait_than_allowed_ends_the_read(tmp_path: Path) -> None:
    """It is not slept through."""
    async with an_entra(tmp_path) as world:
        world.login.faults.add(sign_in_refused(90033, status=429, Retry_After="600"), "token", times=None)
        error = await unreadable(world.directory())
        assert isinstance(error, LimitReached)
        assert "asks to wait 600 s, longer than 120 s" in error.what
        assert [] == world.clock.slept


# ------------------------------------------------------------------------------------- refusals: what the operator must do


@pytest.mark.parametrize(
    ("spoil", "code", "advice"),
    [
        (lambda w: {"credential": ClientSecret(lambda: "wrong")}, "AADSTS7000215", "the value of a client secret (not its id)"),
        (lambda w: expire_secret(w), "AADSTS7000222", "Make a new client secret"),
        (
            lambda w: {"client_id": "00000000-0000-0000-0000-00000000dead"},
            "AADSTS700016",
            "directory.entra.tenant_id and client_id",
        ),
        (lambda w: setattr(w.login.app, "enabled", False), "AADSTS7000112", "Enable the app"),
        (lambda w: setattr(w.login.app, "consented", False), "AADSTS7000229", "consented to in this tenant"),
        (lambda w: {"credential": Certificate(lambda: a_certificate()[0])}, "AADSTS700027", "Upload the certificate"),
        (
            lambda w: {"credential": FederatedToken(lambda: Issuer().token("somebody", w.clock.now()))},
            "AADSTS70021",
            "federated credential",
        ),
        (lambda w: {"tenant_id": "11111111-2222-3333-4444-555555555555"}, "AADSTS90002", "directory.entra.cloud"),
        (lambda w: {"cloud": "us_gov"}, "AADSTS500011", "correct directory.entra.cloud"),
        (lambda w: w.login.faults.add(sign_in_refused(530032), "token", times=None), "AADSTS530032", "conditional access"),
    ],
    ids=[
        "wrong secret",
        "expired secret",
        "unknown app",
        "disabled",
        "no consent",
        "certificate",
        "federation",
        "tenant",
        "wrong cloud",
        "policy",
    ],
)
async def test_a_refusal_says_what_to_do(tmp_path: Path, spoil: Any, code: str, advice: str) -> None:
    """By Microsoft's number; nothing is asked of Graph, the secret appears nowhere."""
    async with an_entra(tmp_path) as world:
        changes = spoil(world)
        directory = world.directory(**(changes if isinstance(changes, dict) else {}))
        error = await unreadable(directory)

        assert isinstance(error, CredentialsRefused)
        assert f"{code}:" in error.what
        assert advice in error.do
        assert SECRET not in str(error)
        assert "Trace ID" not in str(error)
        assert [] == world.graph.requests
        assert f"{code}:" in (await directory.check())[-1][2]


async def test_microsofts_support_can_find_the_refusal(tmp_path: Path) -> None:
    """Trace and correlation ids are told, apart from the message."""
    async with an_entra(tmp_path) as world:
        await unreadable(world.directory(credential=ClientSecret(lambda: "wrong")))
        (noted,) = [event for event in world.of(Noted) if event.event == "token.refused"]
        assert [7000215] == noted.facts["codes"]
        assert "correlation_id=" in str(noted.facts["trace"])


async def test_a_secret_that_cannot_be_read_sends_nothing(tmp_path: Path) -> None:
    """The file is gone for the moment: unreadable, and the next cycle tries again."""
    secret = SecretFile("directory.entra.credential.client_secret_file", tmp_path / "gone")
    async with an_entra(tmp_path) as world:
        for credential in (ClientSecret(secret), Certificate(secret), FederatedToken(secret)):
            error = await unreadable(world.directory(credential=credential))
            assert "gone cannot be read" in error.what
            assert "Mount the secret there" in error.do
        assert [] == world.login.asked("token")


async def test_an_authority_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    """Wrong address, or no way out."""
    async with an_entra(tmp_path) as world:
        error = await unreadable(world.directory(authority_url="https://127.0.0.1:9"))
        assert "127.0.0.1:9 could not be reached" in error.what
        assert "directory.entra.authority_url" in error.do


async def test_an_authority_with_another_certificate_is_not_trusted(tmp_path: Path) -> None:
    """At once, without retries: trying again cannot help."""
    async with an_entra(tmp_path) as world:
        error = await unreadable(world.directory(ca_file=None))
        assert "is not trusted" in error.what
        assert "ca_file" in error.do
        assert [] == world.of(RetryScheduled)


# -------------------------------------------------------------------------------------------------------- certificates


@pytest.mark.parametrize(
    ("pem", "says"),
    [
        ("", "holds 0 private keys"),
        (lambda: a_certificate()[1], "holds 0 private keys"),
        (lambda: a_certificate()[0] + a_certificate()[0], "holds 2 private keys"),
        (lambda: a_certificate()[0].partition("-----BEGIN CERT")[0] + a_certificate()[1], "belongs to its private key"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "cannot be used"),
    ],
    ids=["empty", "no key", "two keys", "another's certificate", "no key at all"],
)
def test_a_pem_file_that_will_not_do_is_refused(pem: Any, says: str) -> None:
    """With what it must hold."""
    with pytest.raises(ConfigError, match=says) as caught:
        key_and_certificate(pem() if callable(pem) else pem)
    assert "one unencrypted private key and its certificate" in caught.value.do


async def test_the_end_of_a_certificate_is_told_with_every_read(tmp_path: Path) -> None:
    """For the metric; a secret's end cannot be told."""
    pem, certificate, ends_at = a_certificate()
    async with an_entra(tmp_path) as world:
        world.login.app.certificates = (certificate,)
        await world.directory(credential=Certificate(lambda: pem)).read()
        await world.directory().read()
        assert [CredentialExpires("entra", ends_at), CredentialExpires("entra", None)] == world.of(CredentialExpires)


async def test_a_credential_that_ends_soon_is_warned_of_once_a_day(tmp_path: Path) -> None:
    """A month ahead."""
    async with an_entra(tmp_path) as world:
        ends_at = world.clock.now() + timedelta(days=90, hours=1)
        world.login.app.secrets = (AppSecret(SECRET, ends_at),)
        world.login.app.roles |= {"Application.Read.All"}
        directory = world.directory()
        for days in (0, 59, 2, 0, 1):
            world.clock.passed += days * 86_400
            await directory.read()

        assert [("entra", ends_at, 29), ("entra", ends_at, 28)] == [
            tuple(event.facts.values()) for event in world.of(Noted) if event.event == "credential.ends_soon"
        ]


@pytest.mark.parametrize("token", ["tok\nen", "to ken", "tök", ""])
async def test_a_token_that_cannot_be_sent_is_refused_and_not_shown(tmp_path: Path, token: str) -> None:
    """Whoever refuses to put it into a header would quote it."""
    async with an_entra(tmp_path) as world:
        world.login.faults.add(field_set("access_token", token), "token", times=None)
        error = await unreadable(world.directory())
    assert "no usable token" in error.what or "no token" in error.what
    assert not token or token not in f"{error.what} {error.do}"


@pytest.mark.parametrize("address", ["https://[::1/token", "https://127.0.0.1:port/oauth2/token", "https://127.0.0.1/a\nb"])
async def test_a_token_service_that_sends_elsewhere_is_an_error_of_its_own(tmp_path: Path, address: str) -> None:
    """Not a bug of ours."""
    async with an_entra(tmp_path) as world:
        world.login.faults.add(field_set("token_endpoint", address), "discovery", times=None)
        error = await unreadable(world.directory())
    assert error.do


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "a.bm8.c", ""])
def test_a_token_that_cannot_be_looked_into_tells_no_roles(token: str) -> None:
    """Tokens are Microsoft's business; nothing depends on their form."""
    assert roles_in(token) is None


def test_settings_without_a_client_id_need_a_managed_identity() -> None:
    """Nothing else knows who it is."""
    with pytest.raises(ConfigError, match="client_id"):
        EntraSettings(tenant_id="t", credential=ClientSecret(lambda: "x"), groups=("g",))


# --------------------------------------------------------------------------------------------------------------- makers


def made(world: EntraWorld, **changes: Any) -> EntraTokens:
    """A source of tokens of its own."""
    return world.closed_at_the_end(EntraTokens(replace(world.settings, **changes), world.clock, world.told.append))


def expire_secret(world: EntraWorld) -> None:
    world.login.app.secrets = (AppSecret(SECRET, expires_at=world.clock.now() - timedelta(seconds=1)),)


def a_certificate() -> tuple[str, str, datetime]:
    """Key and certificate in one PEM text, the certificate alone, and when it ends."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "syncd")])
    now = datetime.now(UTC).replace(microsecond=0)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .sign(key, hashes.SHA256())
    )
    text = certificate.public_bytes(Encoding.PEM).decode()
    return (key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode() + text, text, now + timedelta(days=90))

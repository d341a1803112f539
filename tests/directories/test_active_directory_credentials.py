"""Refused credentials, and that no password is ever shown: a daemon must not lock its own account."""

from __future__ import annotations

import logging
import traceback
from datetime import timedelta

import pytest

from syncd.directories.active_directory import binding as ldap_binding
from syncd.directories.active_directory.reader import ActiveDirectory, ActiveDirectorySettings, KerberosBind, SimpleBind
from syncd.errors import ConfigError, CredentialsRefused, SourceError
from tests.adlab.fakeldap import BIND, bound
from tests.adlab.windows import Windows, company
from tests.directories.ad_world import PASSWORD, Directory, unreadable

WRONG = "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data {}, v2580"


def refusing(code: str = "52e", until: int | None = None):
    """A bind handler that refuses with a sub-code, the first *until* times or always; told passwords are in ``requests``."""
    tries = []

    def on_bind(conn, mid, raw):
        tries.append(raw)
        good = until is not None and len(tries) > until
        conn.sendall(bound(mid) if good else bound(mid, 49, WRONG.format(code)))

    return on_bind


def binds(controller: Windows) -> int:
    """How many binds came to this controller."""
    return sum(1 for tag, _ in controller.requests if tag == BIND)


@pytest.mark.parametrize(
    ("code", "cause", "do"),
    [
        ("525", "no such user", "Correct the name"),
        ("52e", "wrong name or password", "Correct directory.active_directory.bind"),
        ("530", "not allowed at this hour", "logon hours"),
        ("531", "not allowed from this machine", "any machine"),
        ("532", "password has expired", "new password"),
        ("533", "account is disabled", "Enable the account"),
        ("701", "account has expired", "Extend the account"),
        ("773", "must be changed before the first use", "must change at next logon"),
        ("775", "locked out", "unlock"),
    ],
)
async def test_the_message_names_the_cause_and_what_to_do(code, cause, do):
    """Active Directory says everything with result 49 and hides the cause in a number."""
    with Windows(company(3, 3), on_bind=refusing(code)) as controller:
        error = await unreadable(Directory(controller.url))

    assert isinstance(error, CredentialsRefused)
    assert cause in error.what
    assert code in error.what
    assert do in error.do


@pytest.mark.parametrize(
    "text",
    [
        *(WRONG.format(code) for code in ("51f", "80090346", "9f1", "52", "52f", "52e0", "0", "7750")),
        "80090308: LdapErr",
        "",
    ],
)
async def test_a_code_that_does_not_mean_the_credentials_is_that_servers_own_affair(text):
    """The next server is asked, now and in the next read: nothing rests, and nobody is told that the password is wrong."""

    def on_bind(conn, mid, raw):
        conn.sendall(bound(mid, 49, text))

    with Windows(company(3, 3), on_bind=on_bind) as first, Windows(company(3, 3)) as second:
        directory = Directory(first.url, second.url)
        for _ in range(2):
            assert 3 == len((await directory.read()).people)
        alone = await unreadable(Directory(first.url))

        assert (3, 2) == (binds(first), binds(second))
    assert not isinstance(alone, CredentialsRefused)
    assert "result 49" in alone.what
    assert "password" not in alone.what


@pytest.mark.parametrize(
    "password",
    [
        "Pass\u00b4word1",
        "Pass\u00b2word1",
        "Pass\u00a0word1",
        "Pa\u00adss1",
        "\u2460\ufb01",
        "u\u0308",
        " Pass 1 ",
        "\u05d0a\u05d1",
        "\ue000x",
    ],
)
async def test_a_password_goes_over_the_line_as_the_bytes_it_is(password):
    """ldap3 would prepare text by SASLprep, and Windows would compare another password."""
    with Windows(company(3, 3)) as controller:
        await Directory(controller.url, password=lambda: password).read()

        (request,) = [raw for tag, raw in controller.requests if tag == BIND]
    assert request.endswith(bytes([0x80, len(password.encode())]) + password.encode())


async def test_refused_credentials_are_not_tried_on_another_server():
    """The count of wrong passwords is the domain's, so each further server is one more step to a lockout."""
    with Windows(company(3, 3), on_bind=refusing()) as first, Windows(company(3, 3)) as second:
        error = await unreadable(Directory(first.url, second.url))

        assert isinstance(error, CredentialsRefused)
        assert (1, 0) == (binds(first), second.connections)


async def test_refused_credentials_rest_for_an_hour():
    """Reads, second looks and checks alike; after the hour one more try is made."""
    with Windows(company(3, 3), on_bind=refusing(until=1)) as controller:
        directory = Directory(controller.url)
        await unreadable(directory)
        directory.moved.ahead = timedelta(minutes=59)
        again = await unreadable(directory)
        with pytest.raises(CredentialsRefused):
            await directory.recheck_person(None, ["p1@corp.example"])
        checked = await directory.check()

        assert 1 == binds(controller)
        assert "not tried again yet" in again.what
        assert [False] == [ok for _, ok, _ in checked]

        directory.moved.ahead = timedelta(minutes=61)
        assert 3 == len((await directory.read()).people)


async def test_asking_while_it_rests_does_not_make_the_rest_longer():
    """An hour after the refusal, not after the last question."""
    with Windows(company(3, 3), on_bind=refusing(until=1)) as controller:
        directory = Directory(controller.url)
        for minutes in (0, 30, 50):
            directory.moved.ahead = timedelta(minutes=minutes)
            await unreadable(directory)
        directory.moved.ahead = timedelta(minutes=61)

        assert 3 == len((await directory.read()).people)


async def test_a_changed_secret_is_tried_at_once():
    """The operator has corrected the file: waiting would help nobody."""
    secrets = ["old", "old", "new"]
    with Windows(company(3, 3), on_bind=refusing(until=1)) as controller:
        directory = Directory(controller.url, password=lambda: secrets[min(binds(controller) * 2, 2)])

        await unreadable(directory)
        assert 3 == len((await directory.read()).people)
        assert 2 == binds(controller)


async def test_a_secret_that_is_gone_makes_the_read_unreadable_and_binds_nowhere():
    """A mounted file may be missing for a moment while it is replaced."""

    def gone() -> str:
        raise ConfigError("bind.simple.password_file: cannot be read", do="Mount it.")

    with Windows(company(3, 3)) as controller:
        error = await unreadable(Directory(controller.url, password=gone))

        assert ("bind.simple.password_file: cannot be read", "Mount it.") == (error.what, error.do)
        assert 0 == controller.connections


async def test_a_server_that_demands_encryption_says_so():
    """Result 8 of a plain bind."""
    with Windows(company(3, 3), on_bind=lambda conn, mid, _: conn.sendall(bound(mid, 8, "signing required"))) as controller:
        error = await unreadable(Directory(controller.url))

    assert "demands an encrypted or signed connection" in error.what
    assert "Use ldaps://" in error.do


@pytest.mark.parametrize(
    "on_bind",
    [
        refusing(),
        lambda conn, mid, _: conn.sendall(bound(mid, 53, "no")),
        lambda conn, mid, _: conn.close(),
        lambda conn, mid, _: conn.sendall(b"\x30\x05\xff\xff\xff\xff\xff"),
    ],
    ids=["refused", "unwilling", "hung up", "no LDAP"],
)
async def test_no_password_is_in_a_message_a_log_or_a_traceback_with_its_variables(on_bind, caplog):
    """ldap3 keeps the password in its connection, prints it in repr and holds it in the frames of its errors."""
    caplog.set_level(logging.DEBUG)
    with Windows(company(3, 3), on_bind=on_bind) as controller:
        directory = Directory(controller.url)
        error = await unreadable(directory)

    chain = traceback.TracebackException.from_exception(error, capture_locals=True)
    shown = "".join(chain.format()) + str(error) + caplog.text + "".join(map(repr, directory.events))
    assert PASSWORD not in shown
    assert error.__context__ is None


async def test_no_password_is_in_any_repr_of_the_adapter_and_its_connection():
    """Settings and connections end up in debuggers and error reports."""
    with Windows(company(3, 3)) as controller:
        directory = Directory(controller.url)
        await directory.recheck_person(None, ["p1@corp.example"])
        look = directory._look
        assert look is not None

        shown = repr(directory.settings) + repr(look) + repr(vars(look.session)) + str(look.session._connection)
        await directory.close()

    assert PASSWORD not in shown
    assert look.session._connection.password is None


def test_plain_ldap_is_refused_before_anything_is_sent():
    """A simple bind sends the password as it is."""
    with pytest.raises(ConfigError, match="would send the password in clear"):
        Directory("ldap://dc1.corp.example", allow_plaintext=False)


@pytest.mark.parametrize(
    "url",
    ["ldaps://dc1.corp.example:3269", "ldap://dc1.corp.example:3268", "ldaps://[::1]:3269", "ldaps://dc1.corp.example:3268"],
)
def test_a_global_catalog_is_refused(url):
    """It lacks attributes, and the members of other domains' groups: whoever is only there would be absent."""
    with pytest.raises(ConfigError, match="global catalog") as caught:
        Directory("ldaps://dc1.corp.example", url, allow_plaintext=True)

    assert "port 636" in str(caught.value)


def test_every_server_that_cannot_be_used_is_listed():
    """All problems at once."""
    with pytest.raises(ConfigError) as caught:
        Directory("https://dc1.corp.example", "ldap://dc2.corp.example", allow_plaintext=False)

    assert 2 == len(caught.value.problems)


def test_kerberos_without_its_package_is_a_configuration_error(monkeypatch, tmp_path):
    """gssapi is an extra: who asks for Kerberos without it learns how to get it."""
    monkeypatch.setattr(ldap_binding.importlib.util, "find_spec", lambda _: None)
    settings = ActiveDirectorySettings(("ldaps://dc1",), KerberosBind("svc@CORP.EXAMPLE", tmp_path / "k"), ("DC=x",), ("g",))

    with pytest.raises(ConfigError, match="needs the gssapi package") as caught:
        ActiveDirectory(settings, Directory("ldaps://dc1").moved, lambda _: None)

    assert "syncd[kerberos]" in caught.value.do


def test_a_fingerprint_tells_secrets_apart_and_shows_none(tmp_path):
    """Name and secret count; the text does not stand in it."""
    first, second = SimpleBind("svc", lambda: "one"), SimpleBind("svc", lambda: "two")
    keytab = tmp_path / "svc.keytab"
    keytab.write_bytes(b"key 1")
    kerberos = KerberosBind("svc@CORP.EXAMPLE", keytab)
    before = kerberos.fingerprint()
    keytab.write_bytes(b"key 2")

    assert first.fingerprint() != second.fingerprint()
    assert before != kerberos.fingerprint()
    assert "one" not in first.fingerprint()
    keytab.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        kerberos.fingerprint()


def test_an_error_of_kerberos_names_no_principal():
    """Its text is logged, and a principal looks like an address."""
    error = ldap_binding._no_ticket(
        "Major (851968): Unspecified GSS failure. Minor (2529638936): Preauthentication failed for svc@CORP.EXAMPLE"
    )

    assert isinstance(error, SourceError)
    assert "Preauthentication failed for the principal" in error.what
    assert "@" not in error.what

"""Binding to a real controller in every way that fails, TLS as it is really spoken, and servers that go away in mid-read."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
from pathlib import Path

import pytest

from syncd.directories.active_directory.reader import KerberosBind
from syncd.errors import CredentialsRefused
from syncd.events import CredentialExpires, ReadProgress
from tests.adlab import lab
from tests.adlab.fakeldap import Proxy, Server
from tests.real.samba_world import ACCOUNTS_PASSWORD, SambaDirectory, unreadable

SPECIAL = "OU=Special,DC=corp,DC=example"

# ------------------------------------------------------------------------------------------------------------- binding


@pytest.mark.parametrize(
    ("account", "cause"),
    [
        ("bind-disabled", "the account is disabled"),
        ("bind-expired", "the account has expired"),
        ("bind-mustchange", "the password must be changed before the first use"),
        ("bind-pwdexpired", "the password has expired"),
        ("bind-hours", "not allowed at this hour"),
        ("bind-station", "not allowed from this machine"),
        ("nobody-of-that-name", "wrong name or password"),
    ],
)
async def test_the_cause_of_a_refused_bind_is_named(samba, account, cause):
    """The right password each time; another server is never asked."""
    with Server(lambda *_: None) as other:
        servers = (samba["URI"], f"ldap://127.0.0.1:{other.port}")
        directory = SambaDirectory(
            samba, user=f"{account}@corp.example", password=ACCOUNTS_PASSWORD, servers=servers, allow_plaintext=True
        )
        error = await unreadable(directory)

        assert isinstance(error, CredentialsRefused)
        assert cause in error.what
        assert 0 == other.connections
        assert ["unauthorized"] == directory.answers("bind")


async def test_a_wrong_password_is_tried_once_and_never_locks_the_account(changeable_samba):
    """Three wrong ones would lock this account: ten reads try one."""
    directory = SambaDirectory(changeable_samba, user="bind-lockout@corp.example", password="wrong")
    causes = [(await unreadable(directory)).what for _ in range(10)]
    right = SambaDirectory(changeable_samba, user="bind-lockout@corp.example", password=ACCOUNTS_PASSWORD)

    assert "wrong name or password (result 49, code 52e)" in causes[0]
    assert all("not tried again yet" in cause for cause in causes[1:])
    assert ["unauthorized"] == directory.answers("bind")
    assert (await right.read()).people


async def test_a_locked_account_is_said_to_be_locked(changeable_samba):
    """Even with the right password."""
    for number in range(4):
        await unreadable(SambaDirectory(changeable_samba, user="bind-lockout@corp.example", password=f"wrong {number}"))
    error = await unreadable(SambaDirectory(changeable_samba, user="bind-lockout@corp.example", password=ACCOUNTS_PASSWORD))

    assert "the account is locked out" in error.what
    assert "unlock" in error.do


@pytest.mark.parametrize("name", ["svc-syncd@corp.example", "CN=svc-syncd,CN=Users,DC=corp,DC=example", "CORP\\svc-syncd"])
async def test_the_account_can_be_named_in_three_ways(samba, name):
    """UPN, DN, down-level name; the end of its password is looked up whichever it is."""
    directory = SambaDirectory(samba, user=name, base_dns=(SPECIAL,), groups=("zoom-awkward",), unresolved_members="unknown")
    await directory.read()

    told = {event.credential: event.at for event in directory.events if isinstance(event, CredentialExpires)}
    assert told["active_directory"] is None
    assert told["ldaps"] is not None  # the certificate of the server that was read


async def test_when_the_bind_password_ends_is_told(changeable_samba):
    """So that an alert can come before the directory becomes unreadable."""
    changeable_samba.modify(
        "dn: CN=svc-syncd,CN=Users,DC=corp,DC=example\nchangetype: modify\n"
        "replace: accountExpires\naccountExpires: 157468608000000000\n-\n"
    )  # 2100-01-01
    directory = SambaDirectory(changeable_samba, base_dns=(SPECIAL,), groups=("zoom-awkward",), unresolved_members="unknown")
    await directory.read()
    ((_, ok, finding),) = await directory.check()

    (told,) = (
        event.at for event in directory.events if isinstance(event, CredentialExpires) and event.credential == "active_directory"
    )
    assert told is not None
    assert 2100 == (told.year if told.month == 1 else told.year + 1)
    assert ok
    assert f"the bind password ends {told:%Y-%m-%d}" in finding


async def test_a_plain_bind_is_refused_by_the_server_in_words(samba):
    """A controller that demands signing, asked without TLS."""
    error = await unreadable(SambaDirectory(samba, servers=(samba["LDAP_URI"],), allow_plaintext=True))

    assert "demands an encrypted or signed connection" in error.what


async def test_a_check_names_the_fix_and_tries_refused_credentials_once(samba):
    """The second server is not asked with them."""
    directory = SambaDirectory(
        samba, user="bind-disabled@corp.example", password=ACCOUNTS_PASSWORD, servers=(samba["URI"], samba["URI"] + ":636")
    )
    (_, first_ok, first), (_, second_ok, second) = await directory.check()

    assert (False, False) == (first_ok, second_ok)
    assert "the account is disabled" in first
    assert "Enable the account" in first
    assert "not tried" in second


# ------------------------------------------------------------------------------------------------------------ Kerberos


@pytest.fixture
def kerberos(samba, monkeypatch):
    """The lab's realm; the package is an extra, so it may be missing, but not in CI."""
    if importlib.util.find_spec("gssapi") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("the gssapi package is missing")
        pytest.skip("the gssapi package (syncd[kerberos]) is not installed")
    monkeypatch.setenv("KRB5_CONFIG", samba["KRB5_CONFIG"])
    return samba


@pytest.mark.parametrize("scheme", ["ldaps", "start_tls"])
async def test_a_keytab_is_enough(kerberos, scheme):
    """The service ticket is for the controller's own name, though it is dialled by address."""
    bind = KerberosBind(f"svc-syncd@{kerberos['REALM']}", Path(kerberos["SVC_KEYTAB"]))
    servers = (kerberos["URI"] if scheme == "ldaps" else kerberos["LDAP_URI"],)
    directory = SambaDirectory(kerberos, bind=bind, servers=servers, start_tls=scheme == "start_tls")

    assert 3500 == (await directory.read()).groups[0].members


async def test_a_keytab_of_another_key_is_refused_and_rests(kerberos, tmp_path):
    """The password was changed after the keytab had been exported."""
    bind = KerberosBind(f"svc-syncd@{kerberos['REALM']}", with_other_keys(kerberos["SVC_KEYTAB"], tmp_path / "stale.keytab"))
    directory = SambaDirectory(kerberos, bind=bind)
    first, second = await unreadable(directory), await unreadable(directory)

    assert isinstance(first, CredentialsRefused)
    assert "Kerberos gave no ticket for the principal" in first.what
    assert "not tried again yet" in second.what


def with_other_keys(keytab: str, copy: Path) -> Path:
    """A copy of a keytab, each key in it damaged."""
    content = bytearray(Path(keytab).read_bytes())
    at = 2  # after the version: entries of a length and as many bytes
    while at < len(content):
        at += 4 + int.from_bytes(content[at : at + 4], "big")
        content[at - 12] ^= 0xFF  # within the key: a number and flags of 4 bytes each follow it
    copy.write_bytes(content)
    return copy


async def test_a_realm_without_a_kdc_is_not_taken_for_a_refusal(kerberos, monkeypatch, tmp_path):
    """Nobody refused anything: the next read tries again."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    config = tmp_path / "krb5.conf"
    realm = f"[realms]\n{kerberos['REALM']} = {{\n kdc = 127.0.0.1:{port}\n}}\n"
    config.write_text(f"[libdefaults]\nudp_preference_limit = 1\n{realm}")
    monkeypatch.setenv("KRB5_CONFIG", str(config))
    # Other keys: with the right keytab a ticket of an earlier test would do, and rightly so.
    bind = KerberosBind(f"svc-syncd@{kerberos['REALM']}", with_other_keys(kerberos["SVC_KEYTAB"], tmp_path / "other.keytab"))
    error = await unreadable(SambaDirectory(kerberos, bind=bind))

    assert not isinstance(error, CredentialsRefused)
    assert "no Kerberos ticket" in error.what


# ----------------------------------------------------------------------------------------------------------------- TLS


async def test_start_tls_gives_the_same_directory_as_ldaps(samba):
    """Both verified."""
    over_tls = await SambaDirectory(samba).read()
    started = await SambaDirectory(samba, servers=(samba["LDAP_URI"],), start_tls=True).read()

    assert over_tls.digest == started.digest


@pytest.mark.parametrize("port", [636, 389])
async def test_a_wrong_host_name_is_refused_before_the_bind(samba, port):
    """The certificate names dc1.corp.example and the lab's address, not the proxy's."""
    with Proxy((samba["ADDR"], port)) as proxy:
        scheme = "ldaps" if port == 636 else "ldap"
        directory = SambaDirectory(samba, servers=(f"{scheme}://127.0.0.1:{proxy.port}",), start_tls=port == 389)
        error = await unreadable(directory)

    assert "IP address mismatch" in error.what
    assert [] == directory.answers("bind")


async def test_the_system_trust_does_not_know_the_labs_authority(samba):
    """Without ca_file the system decides."""
    error = await unreadable(SambaDirectory(samba, ca_file=None))

    assert "its certificate is not accepted" in error.what


# ------------------------------------------------------------------------------------------------- servers that go away


async def test_a_line_cut_at_any_point_is_an_error_or_nothing_is_missing(samba):
    """Cut after every so many bytes, through TLS: handshake, bind, every page and every group."""
    with Proxy((samba["ADDR"], 636), host=samba["ADDR"]) as proxy:
        whole = await through(samba, proxy).read()
        total = proxy.bytes_down

    outcomes = []
    for cut in range(1_000, total, total // 10):
        with Proxy((samba["ADDR"], 636), kill_after=cut, reset=cut % 2 == 0, host=samba["ADDR"]) as proxy:
            outcomes.append(await unreadable(through(samba, proxy)))

    assert 10 <= len(outcomes)
    assert all("no directory server could be read whole" in error.what for error in outcomes)
    assert 5035 == len(whole.people)


def through(samba, proxy: Proxy) -> SambaDirectory:
    """The adapter behind a proxy on the lab's own address, which the certificate names whatever the port."""
    return SambaDirectory(samba, servers=(f"ldaps://{samba['ADDR']}:{proxy.port}",), page_size=500)


async def test_a_server_stopped_in_mid_read_is_left_for_the_next_one(samba, seeded_domain, tmp_path):
    """SIGSTOP after the second page: the connection stays open and silent. The other controller is read from the start."""
    with lab.running(tmp_path / "dc", seeded_domain) as other:
        directory = SambaDirectory(
            other,
            servers=(other["URI"], samba["URI"]),
            ca_file=both(tmp_path, other, samba),
            page_size=500,
            read_timeout_seconds=2,
        )
        pages = 0

        def stop(event):
            nonlocal pages
            pages += isinstance(event, ReadProgress)
            if pages == 2:
                os.kill(other.pid, signal.SIGSTOP)

        directory._tell = stop
        try:
            snapshot = await directory.read()
        finally:
            os.kill(other.pid, signal.SIGCONT)

    assert 5035 == len(snapshot.people)
    assert pages > 11


async def test_a_server_that_is_down_is_left_for_the_next_one(samba, seeded_domain, tmp_path):
    """Stopped altogether; when the last one is gone, each is named with its cause."""
    with lab.running(tmp_path / "dc", seeded_domain) as other:
        ca_file = both(tmp_path, other, samba)
        servers = (other["URI"], samba["URI"])
        other.stop()
        directory = SambaDirectory(samba, servers=servers, ca_file=ca_file)

        assert 5035 == len((await directory.read()).people)
        assert ["network_error", "ok"] == directory.answers("connect")

        error = await unreadable(SambaDirectory(samba, servers=(servers[0], f"{samba['URI']}:637"), ca_file=ca_file))
        assert f"{other['ADDR']}:636: no connection" in error.what
        assert f"{samba['ADDR']}:637: no connection" in error.what


def both(folder, first, second) -> str:
    """One file with the authorities of two labs."""
    path = folder / "both.pem"
    path.write_text(Path(first["CA_FILE"]).read_text() + Path(second["CA_FILE"]).read_text())
    return str(path)

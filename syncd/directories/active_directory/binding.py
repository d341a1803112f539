"""Proving to a domain controller who we are, and understanding why it says no.

A refused name or password is never tried on another server and not again soon: the count of wrong passwords is the
domain's, and a daemon that repeats one locks its own account. That is said only of codes known to mean the credentials;
whatever else a server answers is that server's own affair, and the next one is asked. Passwords are handed to ldap3 as the
bytes they are and taken away again; no message, repr or exception here holds one.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ldap3

from syncd.directories.active_directory.transport import Unusable
from syncd.errors import ConfigError, CredentialsRefused, SourceError
from syncd.ports import ReadSecret

SUCCESS, STRONGER_AUTH_REQUIRED, INVALID_CREDENTIALS = 0, 8, 49
BIND_KEY = "directory.active_directory.bind"

_UNLOCK = f"Wait for the lockout to pass or unlock the account, then correct the secret of {BIND_KEY}."
#: Active Directory's sub-codes of result 49 (``data XXX`` in the message) that mean the name, the password or the account,
#: and therefore mean the same on every controller of the domain (they are Windows error codes in
#: hexadecimal: 52e is 1326, ERROR_LOGON_FAILURE): what each says, and what to do.
REFUSALS: dict[str, tuple[str, str]] = {
    "525": ("no such user", f"Correct the name in {BIND_KEY}."),
    "52e": ("wrong name or password", f"Correct {BIND_KEY}: name (svc@corp.example, a DN, or DOMAIN\\svc) and secret."),
    "530": ("not allowed at this hour (logon hours)", "Widen the account's logon hours."),
    "531": ("not allowed from this machine (logon workstations)", "Let the account log on from any machine."),
    "532": ("the password has expired", "Give the account a new password, best one that does not expire, and store it."),
    "533": ("the account is disabled", f"Enable the account, or name another one in {BIND_KEY}."),
    "701": ("the account has expired", f"Extend the account, or name another one in {BIND_KEY}."),
    "773": ("the password must be changed before the first use", "Set a password without 'must change at next logon'."),
    "775": ("the account is locked out", _UNLOCK),
}
#: Sub-codes that are known and are no fault of the credentials: the next server is asked.
OTHERWISE: dict[str, tuple[str, str]] = {
    "51f": ("the server found no logon server", "See whether this controller reaches the rest of its domain."),
    "80090346": ("the server demands channel binding that did not match", "Connect without a TLS proxy in between."),
}


class BoundConnection(ldap3.Connection):
    """ldap3's own repr and str print names and, before the bind, the password."""

    def __repr__(self) -> str:
        return f"<connection to {self.server.host}:{self.server.port}>"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class SimpleBind:
    r"""Name and password: a UPN, a DN or ``DOMAIN\name``. *password* is read anew for each bind."""

    user: str
    password: ReadSecret = field(repr=False)

    def fingerprint(self) -> str:
        """Tells one secret from the next without keeping it. Raises ConfigError when it cannot be read."""
        return hashlib.sha256(f"{self.user}\0{self.password()}".encode()).hexdigest()

    def connection(self, server: ldap3.Server) -> ldap3.Connection:
        """An unopened connection that will bind so. Bytes, because ldap3 prepares text by SASLprep (RFC 4013), which makes
        another password of one with a superscript, a free accent or a no-break space; Windows compares what was typed."""
        return _connection(server, user=self.user, password=self.password().encode(), authentication=ldap3.SIMPLE)


@dataclass(frozen=True, slots=True)
class KerberosBind:
    """A principal and its keytab. Needs the extra ``syncd[kerberos]``; no ticket is read or left anywhere but in memory."""

    principal: str
    keytab_file: Path

    def fingerprint(self) -> str:
        """Tells one keytab from the next. Raises ConfigError when it cannot be read."""
        try:
            return hashlib.sha256(self.principal.encode() + b"\0" + self.keytab_file.read_bytes()).hexdigest()
        except OSError as error:
            raise ConfigError(
                f"{BIND_KEY}.kerberos.keytab_file: {self.keytab_file} cannot be read ({error.strerror})",
                do="Mount the keytab there, readable for the account syncd runs under.",
            ) from None

    def connection(self, server: ldap3.Server) -> ldap3.Connection:
        """An unopened connection that will bind so. Raises ConfigError when the keytab cannot be read."""
        # A ticket is kept for as long as the keytab is the same: another key must not live on an old one's ticket.
        store = {"client_keytab": f"FILE:{self.keytab_file}", "ccache": f"MEMORY:syncd-{self.fingerprint()[:32]}"}
        return _connection(
            server, user=self.principal, authentication=ldap3.SASL, sasl_mechanism=ldap3.KERBEROS, cred_store=store
        )


Bind = SimpleBind | KerberosBind


def demand_kerberos(bind: Bind) -> None:
    """Raises ConfigError when *bind* needs the ``gssapi`` package and it is not installed."""
    if isinstance(bind, KerberosBind) and importlib.util.find_spec("gssapi") is None:
        raise ConfigError(
            f"{BIND_KEY}.kerberos needs the gssapi package, which is not installed",
            do="Install syncd[kerberos] (needs a compiler and the Kerberos headers), or use bind.simple over ldaps://.",
        )


def bind(connection: ldap3.Connection, how: Bind, service_host: str) -> None:
    """Binds an open connection. *service_host*: the controller's own full name, for the Kerberos service ticket.

    Raises CredentialsRefused when it is the credentials' fault, Unusable when it is this server's.
    """
    # The error is raised outside of "except" so that no frame of ldap3, which holds the password, hangs on it.
    fault = _bind_simply(connection) if isinstance(how, SimpleBind) else _bind_with_ticket(connection, how, service_host)
    connection.password = None
    connection.request = None
    if fault is not None:
        raise fault


def refused(message: str) -> CredentialsRefused | Unusable:
    """What a result 49 means; *message* is the server's diagnostic text, of which only the code is used."""
    found = re.search(r"data ([0-9a-f]+)", message, re.IGNORECASE)
    code = found.group(1).lower() if found else ""
    shown = f"code {code}" if code else "without a code"
    if code in REFUSALS:
        cause, do = REFUSALS[code]
        return CredentialsRefused(
            "directory", f"the directory refused the bind: {cause} (result 49, {shown})", f"{do} {_NO_RETRY}"
        )
    cause, do = OTHERWISE.get(
        code,
        ("no cause that is known to mean the credentials", f"Look the code up; if it means the credentials, correct {BIND_KEY}."),
    )
    return Unusable(f"it refused the bind: {cause} (result 49, {shown})", do)


_NO_RETRY = "syncd does not try again for 1 h or until the secret changes, so as not to lock the account."


def _connection(server: ldap3.Server, **how: Any) -> ldap3.Connection:
    # Every option differs from ldap3's default for a reason: no referral is followed (it would carry the password to a
    # host the server names), no range is fetched behind our back (a failing one is swallowed), no schema is loaded, no
    # write is possible, and results are judged by us (raise_exceptions lets codes 3, 4 and 10 pass as success).
    connection = BoundConnection(
        server,
        client_strategy=ldap3.SYNC,
        auto_bind=ldap3.AUTO_BIND_NONE,
        raise_exceptions=False,
        auto_referrals=False,
        auto_range=False,
        check_names=False,
        return_empty_attributes=False,
        read_only=True,
        **how,
    )
    connection.strategy.socket_size = 32 * 1024  # from 4: a group of 50,000 in one answer is not copied 750 times
    return connection


def _bind_simply(connection: ldap3.Connection) -> SourceError | Unusable | None:
    connection.bind(read_server_info=False)
    return _judged(connection.result)


def _judged(result: dict[str, Any]) -> SourceError | Unusable | None:
    code = result["result"]
    if code == SUCCESS:
        return None
    if code == INVALID_CREDENTIALS:
        return refused(str(result.get("message") or ""))
    if code == STRONGER_AUTH_REQUIRED:
        return Unusable("it demands an encrypted or signed connection (result 8)", "Use ldaps:// or start_tls: true.")
    return Unusable(f"it refused to bind ({result['description']}, result {code})")


def _bind_with_ticket(connection: ldap3.Connection, how: KerberosBind, service_host: str) -> SourceError | Unusable | None:
    from gssapi import Credentials, Name, NameType
    from gssapi.raw.misc import GSSError

    try:
        # Asked for by ourselves first: ldap3 hides why no ticket could be had.
        own = Credentials(name=Name(how.principal, NameType.kerberos_principal), usage="initiate", store=connection.cred_store)
        _ = own.lifetime
    except GSSError as error:
        return _no_ticket(error.gen_message())
    connection.sasl_credentials = (service_host,)
    try:
        connection.bind(read_server_info=False)
    except GSSError as error:
        return Unusable(
            f"no Kerberos ticket for the service ldap/{service_host} ({_minor(error.gen_message())})",
            "Name the server by the full name its service principal has.",
        )
    return _judged(connection.result)


def _no_ticket(message: str) -> SourceError | Unusable:
    minor = _minor(message)
    if "contact" in minor.lower() or "resolve" in minor.lower():  # no KDC answered: nobody refused anything
        return Unusable(f"no Kerberos ticket ({minor})", "Check the realm's KDC in krb5.conf and the firewall (port 88).")
    return CredentialsRefused(
        "directory",
        f"Kerberos gave no ticket for the principal of {BIND_KEY}.kerberos: {minor}",
        f"Export the keytab anew for this principal, and see that its account is enabled and not locked. {_NO_RETRY}",
    )


def _minor(message: str) -> str:
    found = re.search(r"Minor \(\d+\): (.*)", message, re.DOTALL)
    text = " ".join((found.group(1) if found else message).split())
    return re.sub(r"\S+@\S+", "the principal", text)


@dataclass
class RefusalMemory:
    """Remembers that a credential was refused, so that it is not tried again within an hour unless it changed."""

    monotonic: Callable[[], float]
    _fingerprint: str = field(default="", repr=False)
    _until: float = 0.0
    _error: CredentialsRefused | None = None

    def check(self, fingerprint: str) -> None:
        """Raises CredentialsRefused when this very secret was refused less than an hour ago."""
        error = self._error
        if error is not None and fingerprint == self._fingerprint and self.monotonic() < self._until:
            raise CredentialsRefused(error.source, f"{error.what}; not tried again yet", error.do)

    def remember(self, fingerprint: str, error: CredentialsRefused) -> None:
        """From now on this secret rests for an hour."""
        self._fingerprint, self._error = fingerprint, error
        self._until = self.monotonic() + REFUSED_REST_SECONDS


#: Longer than the usual lockout window (30 min), so that our own tries alone never keep an account locked.
REFUSED_REST_SECONDS = 3600.0

"""The kinds of value that lead out of the file: URLs, files, and what a file's paths and variables refer to.

A wrong one is a ``Fault``. A URL with a name or password in it is never repeated, nor is a path that may be a secret
written into the wrong key.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, ValidationInfo, WithJsonSchema

from syncd.config.values import Fault, Text, shown, text_of


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a file's values refer to: its directory, the working directory, the environment."""

    beside: Path
    working: Path
    env: Mapping[str, str] = field(repr=False)  # holds secrets
    check_files: bool = True

    def find(self, name: str) -> Path:
        """A path as meant by whoever wrote the file: beside the file, or else in the working directory if it is there."""
        path = Path(name)
        if path.is_absolute():
            return path
        beside, working = self.beside / path, self.working / path
        return working if working.exists() and not beside.exists() else beside


# --------------------------------------------------------------------------------------------------------------- URLs


def _split(value: str, schemes: tuple[str, ...], example: str) -> SplitResult:
    """Splits a URL and checks what all have in common. A URL with a name or password in it is never repeated."""
    try:
        url = urlsplit(value)
        url.port  # noqa: B018 (raises ValueError unless it is a port)
    except ValueError:
        raise Fault("is not a URL", f"write one such as {example}") from None
    if "@" in url.netloc:
        raise Fault("holds a name or password, and a secret may not stand in this file", f"write it like {example}")
    if url.scheme not in schemes or not url.hostname or re.search(r"[\s\\]", value):
        raise Fault(
            f"{shown(value)} is not a URL that starts with {' or '.join(f'{s}://' for s in schemes)}",
            f"write one such as {example}",
        )
    if url.query or url.fragment:
        raise Fault("has a part after ? or #", f"write it like {example}")
    return url


def is_loopback(host: str) -> bool:
    """Whether this host is the machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _service_url(value: str) -> str:
    url = _split(value, ("https", "http"), "https://api.example/v2")
    if url.scheme == "http" and not is_loopback(url.hostname or ""):
        raise Fault("http:// would send the token unencrypted", "write https:// (http:// is for 127.0.0.1 only)")
    return value.rstrip("/")


def _websocket_url(value: str) -> str:
    url = _split(value, ("wss", "ws"), "wss://ws.zoom.us/ws")
    if url.scheme == "ws" and not is_loopback(url.hostname or ""):
        raise Fault("ws:// would send the token unencrypted", "write wss:// (ws:// is for 127.0.0.1 only)")
    return value.rstrip("/")


def _authority_url(value: str) -> str:
    url = _split(value, ("https",), "https://login.example:8443")
    if url.path.strip("/"):
        raise Fault("has a path", "write https://host[:port] only: the tenant is added from tenant_id")
    return value.rstrip("/")


def _ldap_url(value: str) -> str:
    url = _split(value, ("ldaps", "ldap"), "ldaps://dc1.corp.example")
    if url.path.strip("/"):
        raise Fault("has a path", "write ldaps://host[:port] only: where to search is said by base_dn")
    return value.rstrip("/")


def _proxy_url(value: str) -> str:
    try:
        _split(value, ("http", "https"), "http://proxy.corp.example:3128")
    except Fault as fault:
        if "password" in fault.what:
            raise Fault(fault.what, "set the environment variable HTTPS_PROXY instead and remove this key") from None
        raise
    return value


def ledger_url_fault(value: str) -> tuple[str, str]:
    """What is wrong with a ledger's URL and what to do, without repeating it; ("", "") when nothing is."""
    scheme, colon, rest = value.partition("://")
    if scheme == "sqlite" and colon:
        if not rest.startswith("/") or rest.strip("/") in {"", ":memory:"}:
            return "names no file", "write sqlite:////absolute/path/ledger.db (four slashes), or three for a relative path"
        return "", ""
    if scheme in {"postgresql", "postgresql+psycopg"} and colon:
        return "", ""
    return "is not a URL of a ledger", "write sqlite:////var/lib/syncd/ledger.db or postgresql://host/database"


def _ledger_url(value: str) -> str:
    what, do = ledger_url_fault(value)
    if what:
        raise Fault(what, do)
    if re.search(r"://[^/@]*:[^/]*@|[?&]password=", value):
        raise Fault("holds a password, and a secret may not stand in this file", "write url_file: a file that holds it")
    return value


def _listen(value: object) -> str:
    found = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})", value) if isinstance(value, str) else None
    if not found or int(found[2]) > 65535:
        raise Fault(f"{shown(value)} is not an address to listen on", "write host:port, such as 127.0.0.1:9464")
    return found[0]


ServiceUrl = Annotated[Text, AfterValidator(_service_url)]
WebSocketUrl = Annotated[Text, AfterValidator(_websocket_url)]
AuthorityUrl = Annotated[Text, AfterValidator(_authority_url)]
LdapUrl = Annotated[Text, AfterValidator(_ldap_url)]
ProxyUrl = Annotated[Text, AfterValidator(_proxy_url)]
LedgerUrl = Annotated[Text, AfterValidator(_ledger_url)]
Listen = Annotated[str, BeforeValidator(_listen)]


# -------------------------------------------------------------------------------------------------------------- files


def _around(info: ValidationInfo) -> Surroundings | None:
    return info.context if isinstance(info.context, Surroundings) else None


def _found_path(value: object, info: ValidationInfo) -> Path:
    if isinstance(value, Path):
        return value
    name, around = text_of(value), _around(info)
    return around.find(name) if around else Path(name)


def file_content(path: Path, name: str, around: Surroundings) -> bytes:
    """What stands in a file that must be there. Raises Fault, which names the path only if *name* cannot be a secret
    that was written into the wrong key."""
    looks_like_path = name.startswith(("/", "./", "../"))
    which = f"the file {name}" if looks_like_path else "the file named here"
    places = (
        ""
        if path.is_absolute() and name.startswith("/")
        else f"; it is looked for in {' and then in '.join(dict.fromkeys(map(str, (around.beside, around.working))))}"
    )
    try:
        with path.open("rb") as file:
            content = file.read(1_000_000)
    except FileNotFoundError:
        raise Fault(f"{which} does not exist", "create it, or correct the path" + places) from None
    except IsADirectoryError:
        raise Fault(f"{which} is a directory", "name a file in it") from None
    except PermissionError:
        raise Fault(f"{which} may not be read by this user", "let the user syncd runs as read it") from None
    except (OSError, ValueError):
        raise Fault(f"{which} cannot be read", "correct the path" + places) from None
    if not content.strip():
        raise Fault(f"{which} is empty", "write the value into it")
    return content


def _present_file(value: object, info: ValidationInfo) -> Path:
    path, around = _found_path(value, info), _around(info)
    if around and around.check_files:
        file_content(path, str(value), around)
    return path


def _ca_file(value: object, info: ValidationInfo) -> Path:
    path, around = _present_file(value, info), _around(info)
    if around and around.check_files:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
        except (ssl.SSLError, OSError):
            raise Fault("the file named here holds no certificate", "name a PEM file with the CA's certificate") from None
    return path


_PATH_SCHEMA = WithJsonSchema({"type": "string", "minLength": 1})
#: Something that is read: looked for beside the configuration file, then in the working directory.
ReadPath = Annotated[Path, BeforeValidator(_found_path), _PATH_SCHEMA]
#: The same, and it must be there.
PresentFile = Annotated[Path, BeforeValidator(_present_file), _PATH_SCHEMA]
#: The same, and it must hold certificates.
CaFile = Annotated[Path, BeforeValidator(_ca_file), _PATH_SCHEMA]
#: Something that is written: relative to the working directory.
WrittenPath = Annotated[Path, BeforeValidator(lambda value: Path(text_of(value))), _PATH_SCHEMA]

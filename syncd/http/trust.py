"""Whom requests trust and which way they go: CA files, the system's trust, proxies, and no token in the clear."""

from __future__ import annotations

import functools
import ipaddress
import os
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from syncd.errors import ConfigError

NO_ADDRESS_ADVICE = "Nothing was asked there: see whether something answers in the service's place."
TRUST_ADVICE = "Name the authority that signed it in ca_file, or correct the address."


def why_untrusted(error: BaseException) -> str:
    """Why a certificate was not trusted, if that is what *error* comes from; else empty."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        cause = cause.__cause__ or cause.__context__
    return ""


def ssl_context(ca_file: str | None, bundled: Callable[[], ssl.SSLContext] = ssl.create_default_context) -> ssl.SSLContext:
    """One context per CA file, as it is now, for the whole process (each costs tens of milliseconds and most of a
    megabyte). None: the system's trust, or the *bundled* one where the system has none. Raises ConfigError."""
    return _context_of(ca_file, version_of(ca_file), bundled)


def version_of(ca_file: str | None) -> tuple[int, ...]:
    """A value that changes when the file is replaced or rewritten; empty when there is none."""
    try:
        found = Path(ca_file).stat() if ca_file is not None else None
    except OSError:
        return ()
    return () if found is None else (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)


@functools.lru_cache(maxsize=8)
def _context_of(ca_file: str | None, _: tuple[int, ...], bundled: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    if ca_file is None:
        return ssl.create_default_context() if _system_trusts_somebody() else bundled()
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"ca_file: {ca_file} cannot be used ({error})", do="It must hold PEM certificates.") from None


def proxy_from_environment(url: str, environment: Mapping[str, str] | None = None) -> str | None:
    """The proxy HTTPS_PROXY names for an https *url*, unless NO_PROXY lists its host; None for a direct connection.

    NO_PROXY: names (and all below them), addresses, networks (10.0.0.0/8), each with or without a port; ``*`` for all.
    """
    environment = os.environ if environment is None else environment
    proxy, except_for = (environment.get(name) or environment.get(name.upper(), "") for name in ("https_proxy", "no_proxy"))
    parts = urlsplit(url)
    if parts.scheme != "https" or not proxy or not parts.hostname:
        return None
    if any(_covers(entry.strip().lower(), parts.hostname, parts.port or 443) for entry in except_for.split(",")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _system_trusts_somebody() -> bool:
    paths = ssl.get_default_verify_paths()
    return bool(paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())))


def _covers(entry: str, host: str, port: int) -> bool:
    """Whether one NO_PROXY *entry* (lower case) means *host*."""
    if entry == "*":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry.strip("[]"), strict=False)
    name, colon, of_port = entry.rpartition(":")
    if colon and of_port.isdigit():
        return int(of_port) == port and _covers(name, host, port)
    entry = entry.removeprefix("*").removeprefix(".")
    return bool(entry) and (host == entry or host.endswith("." + entry))


def refuse_tokens_in_the_clear(service: str, base_url: str) -> None:
    """Credentials go over https, or to loopback. Raises ConfigError."""
    parts = urlsplit(base_url)
    if parts.scheme == "https" and parts.hostname:
        return
    if parts.scheme == "http" and parts.hostname and is_loopback(parts.hostname):
        return
    address = f"{parts.scheme}://{parts.hostname}"
    raise ConfigError(
        f"{service}: the address {address} would send credentials unencrypted", do="Use https://; http:// is for loopback only."
    )


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine, by name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""What the operator says about the domain, as the adapter needs it. Built from the configuration by ``app``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from syncd.directories.active_directory.binding import Bind, KerberosBind, SimpleBind, demand_kerberos
from syncd.directories.active_directory.session import Timeouts
from syncd.directories.active_directory.transport import ServerAddress
from syncd.errors import ConfigError
from syncd.model import GroupUse

__all__ = ["ActiveDirectorySettings", "Bind", "KerberosBind", "SimpleBind"]


@dataclass(frozen=True, slots=True)
class ActiveDirectorySettings:
    """The section ``directory.active_directory``, and ``protect.directory_groups`` as *protecting_groups*.

    *servers*: ``ldaps://host[:port]`` or ``ldap://…``, tried in this order. *ca_file* None: the system's trust.
    *total_timeout_seconds* bounds one read from one server as a whole, whatever the server does.
    """

    servers: tuple[str, ...]
    bind: Bind
    base_dns: tuple[str, ...]
    groups: tuple[str, ...]
    leaver_groups: tuple[str, ...] = ()
    protecting_groups: tuple[str, ...] = ()
    holding_groups: tuple[str, ...] = ()
    start_tls: bool = False
    allow_plaintext: bool = False
    ca_file: str | None = None
    unresolved_members: str = "refuse"  # refuse | unknown
    foreign_members: str = "refuse"  # refuse | unknown | elsewhere
    nested: bool = True
    address_attributes: tuple[str, ...] = ("mail", "userPrincipalName", "proxyAddresses")
    number_attribute: str = ""  # whose value makes one person of several entries (match.person_number)
    ignored_sids: frozenset[str] = frozenset()  # of match.ignore_people
    page_size: int = 1000
    connect_timeout_seconds: float = 5.0
    read_timeout_seconds: float = 30.0
    total_timeout_seconds: float = 900.0

    def configured(self) -> Iterator[tuple[GroupUse, str]]:
        """Every configured group with its use, in the order of the file."""
        for use, names in (
            (GroupUse.ENTITLING, self.groups),
            (GroupUse.LEAVERS, self.leaver_groups),
            (GroupUse.PROTECTING, self.protecting_groups),
            (GroupUse.HOLDING, self.holding_groups),
        ):
            for name in names:
                yield use, name

    def of_people(self) -> tuple[tuple[str, ...], str]:
        """What is asked of people beyond what every read asks: where addresses are, and the number."""
        return self.address_attributes, self.number_attribute

    def timeouts(self) -> Timeouts:
        """The three time limits of a session."""
        return Timeouts(self.connect_timeout_seconds, self.read_timeout_seconds, self.total_timeout_seconds)

    def addresses(self) -> tuple[ServerAddress, ...]:
        """The servers, parsed. Raises ConfigError with every problem: no password may ever cross the wire in clear
        unless the operator said so, and Kerberos needs its package."""
        problems, found = [], []
        for url in self.servers:
            try:
                server = ServerAddress.of(url)
            except ValueError as error:
                problems.append(f"directory.active_directory.servers: {error}")
                continue
            if not (server.tls or self.start_tls or self.allow_plaintext):
                problems.append(
                    f"directory.active_directory.servers: {url} would send the password in clear; use ldaps:// "
                    "or start_tls: true (or allow_plaintext: true, for a test only)"
                )
            found.append(server)
        if not found and not problems:
            problems.append("directory.active_directory.servers: at least one is needed")
        if problems:
            raise ConfigError("the directory's servers cannot be used", tuple(problems))
        demand_kerberos(self.bind)
        return tuple(found)

"""Active Directory as a kind of directory. Who needs no LDAP does not wait for its library at every verb."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from syncd.directories.kind import Around, DirectoryKind
from syncd.errors import ConfigError

if TYPE_CHECKING:
    from syncd.config.directories import ActiveDirectory as Section
    from syncd.directories.active_directory.settings import Bind
    from syncd.ports import Directory, Watcher


def _identity(section: Section) -> str:
    """The domains of the bases, in no order."""
    domains = {",".join(part for part in _parts(base) if part.startswith("dc=")) for base in section.base_dn}
    return "active_directory:" + ";".join(sorted(domains))


def _parts(base_dn: str) -> list[str]:
    return ["=".join(side.strip() for side in part.split("=", 1)) for part in base_dn.lower().split(",")]


def _same(was: str, now: str) -> bool:
    """Version 0.1.0 wrote the domain of the first base only."""
    before, after = was.split(":", 1)[-1].split(";"), now.split(":", 1)[-1].split(";")
    return was.split(":", maxsplit=1)[0] == now.split(":", maxsplit=1)[0] and (
        set(before) == set(after) or (len(before) == 1 and before[0] in after)
    )


def _make(section: Section, around: Around) -> Directory:
    from syncd.directories.active_directory.reader import ActiveDirectory, GroupMemory
    from syncd.directories.active_directory.settings import ActiveDirectorySettings

    return ActiveDirectory(
        ActiveDirectorySettings(
            servers=section.servers,
            bind=_bind(section, around),
            base_dns=section.base_dn,
            groups=section.groups,
            leaver_groups=section.leaver_groups,
            protecting_groups=around.protecting_groups,
            holding_groups=around.holding_groups,
            start_tls=section.start_tls,
            allow_plaintext=section.allow_plaintext,
            ca_file=str(section.ca_file) if section.ca_file else None,
            unresolved_members=section.unresolved_members,
            foreign_members=section.foreign_members,
            number_attribute=around.person_number,
            ignored_sids=frozenset(one.strip().upper() for one in around.ignored),
            nested=section.nested,
            address_attributes=section.address_attributes,
            page_size=section.page_size,
            connect_timeout_seconds=section.connect_timeout.total_seconds(),
            read_timeout_seconds=section.read_timeout.total_seconds(),
        ),
        around.clock,
        around.tell,
        memory=GroupMemory(around.store, kept=around.kept),
    )


def _watchers(section: Section, directory: Directory) -> tuple[Watcher, ...]:  # noqa: ARG001  -- it stands in the directory
    from syncd.directories.active_directory.reader import ActiveDirectory
    from syncd.directories.active_directory.watch import ControllerWatcher

    assert isinstance(directory, ActiveDirectory), "made above"
    return tuple(ControllerWatcher(directory, server, directory.clock) for server in directory.servers)


def _bind(section: Section, around: Around) -> Bind:
    from syncd.directories.active_directory.settings import KerberosBind, SimpleBind

    simple, kerberos = section.bind.simple, section.bind.kerberos
    if simple is not None:
        return SimpleBind(simple.user, around.secret(simple.password, "directory.active_directory.bind.simple.password"))
    if kerberos is not None:
        return KerberosBind(kerberos.principal, Path(kerberos.keytab_file))
    raise ConfigError("directory.active_directory.bind: exactly one of simple and kerberos is needed")


KIND = DirectoryKind(
    "active_directory",
    "Active Directory",
    _identity,
    _make,
    service="ldap",
    operations=("connect", "bind", "search", "ranged", "other"),
    credential="active_directory",
    not_policy=frozenset({"bind", "ca_file", "connect_timeout", "read_timeout"}),
    same=_same,
    watchers=_watchers,
)

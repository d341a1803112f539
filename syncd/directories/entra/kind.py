"""Entra ID as a kind of directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncd.directories.kind import Around, DirectoryKind

if TYPE_CHECKING:
    from syncd.config.directories import Entra as Section
    from syncd.directories.entra.settings import Credential
    from syncd.ports import Directory, Watcher


def _identity(section: Section) -> str:
    return f"entra:{section.tenant_id}".lower()


def _make(section: Section, around: Around) -> Directory:
    from syncd.directories.entra.reader import EntraDirectory
    from syncd.directories.entra.settings import EntraSettings

    return EntraDirectory(
        EntraSettings(
            tenant_id=section.tenant_id,
            client_id=section.client_id,
            credential=_credential(section, around),
            groups=section.groups,
            leaver_groups=section.leaver_groups,
            protecting_groups=around.protecting_groups,
            holding_groups=around.holding_groups,
            cloud=section.cloud,
            authority_url=section.authority_url,
            graph_url=section.graph_url,
            ca_file=str(section.ca_file) if section.ca_file else None,
            proxy=around.proxy,
            nested=section.nested,
            address_attributes=section.address_attributes,
            max_clock_skew_seconds=around.max_clock_skew_seconds,
            person_number=around.person_number,
            with_managers=around.with_managers,
        ),
        around.clock,
        around.tell,
        state=around.store,
    )


def _watchers(section: Section, directory: Directory) -> tuple[Watcher, ...]:
    from syncd.directories.entra.reader import EntraDirectory
    from syncd.directories.entra.watch import TenantWatcher

    assert isinstance(directory, EntraDirectory), "made above"
    return (TenantWatcher(directory, f"tenant {section.tenant_id}"),)


def _credential(section: Section, around: Around) -> Credential:
    from syncd.directories.entra import settings

    key, given = "directory.entra.credential", section.credential
    if given.client_secret is not None:
        return settings.ClientSecret(around.secret(given.client_secret, f"{key}.client_secret"))
    if given.certificate is not None:
        return settings.Certificate(around.secret(given.certificate, f"{key}.certificate"))
    if given.federated_token is not None:
        return settings.FederatedToken(around.secret(given.federated_token, f"{key}.federated_token"))
    return settings.ManagedIdentity(None if given.managed_identity == "system" else given.managed_identity)


KIND = DirectoryKind(
    "entra",
    "Entra ID",
    _identity,
    _make,
    service="graph",
    operations=(
        "token",
        "list_users",
        "group",
        "members",
        "user",
        "member_groups",
        "users_delta",
        "groups_delta",
        "search",
        "application",
        "other",
    ),
    credential="entra",
    not_policy=frozenset({"client_id", "credential", "ca_file"}),
    watchers=_watchers,
    poll_seconds=30.0,
)

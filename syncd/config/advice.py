"""What a valid configuration says that is probably not meant: warnings, never a refusal.

They stand in ``syncd check`` and before a first run; what decides about accounts is never changed by them.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

from syncd.config.models import Config
from syncd.config.values import spelled
from syncd.model import domain_key


def advice(config: Config, working: Path) -> tuple[str, ...]:
    """One line each, with what to do. *working*: the working directory, which a relative path follows."""
    return (
        *_relative_ledger(config, working),
        *_sentinels_out_of_scope(config),
        *_everybody_protected(config),
        *_unsigned_approvals(config),
        *_deleted_before_handed_over(config),
    )


def _deleted_before_handed_over(config: Config) -> tuple[str, ...]:
    """Zoom's own deletion of deactivated users comes before anybody may hand their content over."""
    section = config.handover
    if section is None or section.zoom_deletes_after is None or section.after < section.zoom_deletes_after:
        return ()
    after, deletes = spelled(section.after), spelled(section.zoom_deletes_after)
    return (
        (
            f"handover.after: {after} is not shorter than {deletes} (zoom_deletes_after): Zoom deletes deactivated accounts "
            "before their content may be handed over, and it is lost; write a shorter one, or turn that off in Zoom (Account "
            "settings > Users > Advanced)"
        ),
    )


def _relative_ledger(config: Config, working: Path) -> tuple[str, ...]:
    url = config.ledger.url or ""
    path = url.removeprefix("sqlite:///")
    if path == url or path.startswith("/"):
        return ()
    return (
        (
            f"ledger.url: {url} is a relative path: started from here the ledger is {working / path}, started from elsewhere "
            f"another one, and a new ledger knows of no hold, no approval and nobody's grace; write sqlite:///{working / path}"
        ),
    )


def _sentinels_out_of_scope(config: Config) -> tuple[str, ...]:
    outside = [address for address in config.guards.sentinels if not _in_scope(config, address)]
    if not outside:
        return ()
    return (
        (
            f"guards.sentinels: {', '.join(outside)} {'is' if len(outside) == 1 else 'are'} not in scope.domains: a canary tells "
            "nothing about accounts it does not live among, and may never be seen; name somebody in scope"
        ),
    )


def _everybody_protected(config: Config) -> tuple[str, ...]:
    """Patterns that match every address of a whole domain in scope."""
    lines = []
    for pattern in config.protect.accounts:
        domains = [domain for domain in config.scope.domains if fnmatchcase(f"\0@{domain.removeprefix('*.')}", pattern.lower())]
        if domains:
            lines.append(
                f'protect.accounts: "{pattern}" matches every account of {", ".join(domains)}: nobody there will ever '
                "be changed; name those to be left alone, or write mode: report"
            )
    if config.scope.pilot and not any("*" in one.rpartition("@")[2] or _in_scope(config, one) for one in config.scope.pilot):
        lines.append(
            "scope.pilot: none of these accounts is in scope.domains, so nobody will ever be changed; "
            "name accounts in scope, or remove it"
        )
    return tuple(lines)


def _in_scope(config: Config, address: str) -> bool:
    aliases = {domain_key(old) or old: domain_key(new) or new for old, new in config.match.domain_aliases.items()}
    found = domain_key(address.rpartition("@")[2]) or ""
    names = {found, aliases.get(found, found)}
    return any(
        name == domain or (domain.startswith("*.") and name.endswith(domain[1:]))
        for name in names
        for domain in (one.lower() for one in config.scope.domains)
    )


def _unsigned_approvals(config: Config) -> tuple[str, ...]:
    """Names that anybody may type are no second pair of eyes."""
    asked = config.approvals
    if asked.signers_file is not None or (asked.required == 1 and not asked.approvers):
        return ()
    rule = "approvals.required: 2" if asked.required > 1 else "approvals.approvers"
    return (
        (
            f"approvals.signers_file: approvals are not signed, so {rule} only asks for names, and whoever may run syncd can "
            "type any of them; name a signers_file, and approve with --key"
        ),
    )

"""How far a policy reaches: which of Zoom's accounts it lets syncd change at all, and which domains it passes over. Pure.

A policy that can do nothing is no success, and a misspelt domain looks like one: nobody is ever changed, and every cycle is good.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher

from syncd.model import Plan, Policy, Reason, ZoomAccount, address_key, domain_in_letters, domain_key
from syncd.planning.match import Addresses
from syncd.planning.protection import Protection

#: Reasons of accounts that no change of the directory would ever change.
_OUT_OF_REACH = frozenset({Reason.OUT_OF_SCOPE, Reason.INVITATION_PENDING, Reason.EXEMPT})

#: Two domains are near when so much of them is the same (1: all); ``corp.exmaple`` and ``corp.example`` have 0.92.
_NEAR = 0.8

#: Domains named in one line; the others are counted.
NAMED = 5


def changeable(plan: Plan, policy: Policy, groups: Mapping[str, str]) -> int:
    """How many accounts this policy lets syncd change, should the directory ask for it: in scope, not exempt, in the pilot, and
    of a role that may be changed. *groups*: Zoom's, id -> name."""
    addresses = Addresses(policy)
    protection = Protection(policy, groups, addresses)
    return sum(
        one.reason not in _OUT_OF_REACH
        and not protection.protected(one.account)
        and not (policy.pilot and protection.outside_pilot(addresses.key(one.account.email)))
        for one in plan.decisions
    )


def out_of_reach(plan: Plan, able: int) -> str:
    """A warning when accounts are in scope and *able*, how many of them may ever be changed, is 0; else nothing."""
    counts = plan.reasons
    in_scope = len(plan.decisions) - counts.get(Reason.OUT_OF_SCOPE, 0) - counts.get(Reason.INVITATION_PENDING, 0)
    if able or not in_scope:
        return ""
    exempt = counts.get(Reason.EXEMPT, 0)
    others = in_scope - exempt
    why = [f"{exempt:,} exempt by protect"] if exempt else []
    why += [f"{others:,} not in scope.pilot or of no ordinary role"] if others else []
    return f"none of {in_scope:,} accounts in scope may ever be changed ({', '.join(why)}): is that meant?"


def domains_of(addresses: Iterable[str]) -> Counter[str]:
    """Domains (as keys) and how many of the addresses are in each."""
    return Counter(address_key(address).rpartition("@")[2] for address in addresses)


def named(domains: Counter[str]) -> str:
    """``corp.example 200, gmail.com 3 and 4 more domains``, the most first."""
    first = sorted(domains.items(), key=lambda one: (-one[1], one[0]))
    more = len(first) - NAMED
    text = ", ".join(f"{domain_in_letters(domain) or 'no domain'} {count:,}" for domain, count in first[:NAMED])
    return text + (f" and {more} more domain{'s' if more > 1 else ''}" if more > 0 else "")


def scope_lines(accounts: Sequence[ZoomAccount], policy: Policy) -> list[str]:
    """What ``check`` says of the scope, with Zoom's accounts before it; a line that begins with ``warning: `` is one."""
    addresses = Addresses(policy)
    seen = domains_of(account.email for account in accounts)
    ours = Counter({domain: count for domain, count in seen.items() if addresses.covers(f"@{domain}")})
    others = Counter({domain: count for domain, count in seen.items() if domain not in ours})
    if not accounts:
        return []
    if not ours:
        near = _named_near(policy, seen, others)
        return [
            f"warning: none of {len(accounts):,} accounts is of a domain in scope.domains ({', '.join(policy.domains)}), so "
            f"nothing is ever changed (nothing-in-scope); the domains seen: {named(others)}"
            + (f"; did you mean {', '.join(dict.fromkeys(near.values()))}?" if near else "")
        ]
    lines = [f"{ours.total():,} of {len(accounts):,} accounts are of domains in scope: {named(ours)}"]
    if others:
        lines.append(f"{others.total():,} of {len(accounts):,} are of other domains, and left alone: {named(others)}")
    return lines + [
        f"warning: {key}: no account is of {domain}; near it and not in scope: {near}; is it misspelt?"
        for (key, domain), near in _named_near(policy, seen, others).items()
    ]


def _named_near(policy: Policy, seen: Counter[str], others: Counter[str]) -> dict[tuple[str, str], str]:
    """Configured domains of which there is no account, and the domains near them that are not in scope."""
    configured = [
        *(("scope.domains", domain) for domain in policy.domains),
        *(("match.domain_aliases", old) for old, _ in policy.domain_aliases),
    ]
    return {
        (key, domain): named(near)
        for key, domain in configured
        if not any(_covers(domain, one) for one in seen) and (near := _near(domain, others))
    }


def _covers(configured: str, domain: str) -> bool:
    if configured.startswith("*."):
        return domain.endswith("." + _key(configured[2:]))
    return domain == _key(configured)


def _near(configured: str, others: Counter[str]) -> Counter[str]:
    """Those that were probably meant: spelt nearly so, the domain above or below, or the same name under another ending."""
    meant = _key(configured.removeprefix("*."))
    return Counter(
        {
            domain: count
            for domain, count in others.items()
            if domain
            and (
                domain == meant
                or domain.endswith("." + meant)
                or meant.endswith("." + domain)
                or domain.partition(".")[0] == meant.partition(".")[0]
                or SequenceMatcher(None, meant, domain).ratio() >= _NEAR
            )
        }
    )


def _key(domain: str) -> str:
    return domain_key(domain) or domain.strip().lower()

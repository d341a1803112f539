"""Who is never changed: exempt accounts, protected roles and rooms, and accounts outside a pilot."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import translate

from syncd.model import Person, Policy, ZoomAccount, lowered, pattern_key, spellings
from syncd.planning.match import Addresses


class Patterns:
    """Addresses and patterns with ``*``: ``svc-*@corp.example``. Case never counts; a domain alias counts as its target."""

    def __init__(self, patterns: Iterable[str], addresses: Addresses) -> None:
        patterns = tuple(patterns)
        keys = {addresses.canonical(pattern_key(pattern)) for pattern in patterns}
        keys |= {lowered(pattern.strip()) for pattern in patterns}
        self._addresses = addresses
        self._exact = {key for key in keys if "*" not in key and "?" not in key}
        globs = sorted(keys - self._exact)
        # A bracket is an ordinary character of an address, not a class of characters.
        self._globs = re.compile("|".join(translate(glob.replace("[", "[[]")) for glob in globs)) if globs else None
        self._beginnings, self._endings = _fixed_ends(globs)
        self._endings += addresses.aliased  # and those that are other addresses, too

    def __bool__(self) -> bool:
        return bool(self._exact or self._globs)

    @property
    def fixed_parts(self) -> tuple[frozenset[str], tuple[str, ...], tuple[str, ...]]:
        """(whole keys, beginnings, endings): a key that has none of them is covered by nothing, and ``match`` need not be
        asked. For whoever asks about every address of the company."""
        return frozenset(self._exact), self._beginnings, self._endings

    def any(self, keys: Sequence[str]) -> bool:
        """Whether one of these address keys is covered. Nearly always none is: what cannot be is passed over in one step."""
        for key in keys:
            if (key in self._exact or key.startswith(self._beginnings) or key.endswith(self._endings)) and self.match(key):
                return True
        return False

    def match(self, key: str) -> bool:
        """Whether one of the patterns covers this address key, as it is or with its domain's alias applied."""
        if key in self._exact or (self._globs is not None and self._globs.match(key) is not None):
            return True
        form = self._addresses.canonical(key)
        others = {form, *(spellings(form) if "xn--" in form else ())} - {key}
        return any(one in self._exact or (self._globs is not None and self._globs.match(one) is not None) for one in others)


def _fixed_ends(globs: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """A beginning or an ending for each pattern that whatever it covers must have."""
    beginnings: set[str] = set()
    endings: set[str] = set()
    for glob in globs:
        first, last = re.split(r"[*?]", glob)[0], re.split(r"[*?]", glob)[-1]
        if first:
            beginnings.add(first)
        else:
            endings |= {last, *spellings(last)}  # a pattern without either: the empty one, everything ends so
    return tuple(beginnings), tuple(endings)


class Protection:
    """The protecting part of a policy, ready to be asked for many accounts."""

    def __init__(self, policy: Policy, groups: Mapping[str, str], addresses: Addresses) -> None:
        """*groups*: Zoom's groups, id -> name."""
        self._accounts = Patterns(policy.protect_accounts, addresses)
        self._quick = self._accounts.fixed_parts
        self._pilot = Patterns(policy.pilot, addresses)
        names = {name.casefold() for name in policy.protect_groups}
        self._group_ids = frozenset(id_ for id_, name in groups.items() if name.casefold() in names)
        self._ordinary = frozenset(role.casefold() for role in policy.ordinary_roles)

    def exempt(self, account: ZoomAccount, key: str, claimants: Sequence[Person]) -> str:
        """Why this account is never touched (``account``, ``zoom_group``, ``directory_group``), or nothing. *claimants*: only
        those who count (``Claim.answerable``), for somebody's alias protects nobody else's account.

        A protected address covers every account of the person who has it: protecting too many costs a manual step,
        protecting too few locks a colleague out.
        """
        if self._accounts and (self._accounts.any((key,)) or any(self._accounts.any(person.addresses) for person in claimants)):
            return "account"
        if self._group_ids and not self._group_ids.isdisjoint(account.group_ids):
            return "zoom_group"
        for person in claimants:
            if person.protected_by:
                return "directory_group"
        return ""

    def may_exempt(self, account: ZoomAccount, person: Person) -> bool:
        """Whether ``exempt`` may have something to say about an account that *person* has; mostly not, and quickly so."""
        if person.protected_by or (self._group_ids and account.group_ids):
            return True
        exact, beginnings, endings = self._quick
        if beginnings or endings or exact:
            for keys in (person.mains, person.aliases):
                for key in keys:
                    if key in exact or key.startswith(beginnings) or (endings and key.endswith(endings)):
                        return True
        return False

    def protected(self, account: ZoomAccount, role: str | None = None) -> bool:
        """Whether the API cannot or may not change this account: a Zoom Room, or any role that is not known to be
        ordinary. An unknown role counts as protected. *role* stands in when Zoom did not show one."""
        name = account.role or role
        return account.room or name is None or name.casefold() not in self._ordinary

    def outside_pilot(self, key: str) -> bool:
        """Whether a pilot is on and this address is not in it."""
        return bool(self._pilot) and not self._pilot.match(key)

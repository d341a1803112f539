"""When two addresses are the same, and which of them syncd is responsible for: keys, domain aliases and the scope."""

from __future__ import annotations

from syncd.model import Policy, address_key, domain_key


class Addresses:
    """Domains and aliases of one policy, with what was worked out kept per domain (a company has few domains)."""

    def __init__(self, policy: Policy) -> None:
        self._aliases = {_domain(old): _domain(new) for old, new in policy.domain_aliases}
        self._exact = {_domain(domain) for domain in policy.domains if not domain.startswith("*.")}
        self._below = tuple("." + _domain(domain[2:]) for domain in policy.domains if domain.startswith("*."))
        self._known: dict[str, bool] = {}
        self.aliased = tuple("@" + old for old in self._aliases)  # how a key ends that is another one, too

    def key(self, address: str) -> str:
        """The form in which an address is compared, with its domain's alias applied."""
        return self.canonical(address_key(address))

    def canonical(self, key: str) -> str:
        """Applies the domain alias to an address that is a key already."""
        if not self._aliases or not key.endswith(self.aliased):
            return key
        local, at, domain = key.rpartition("@")
        return f"{local}@{self._aliases[domain]}" if at and domain in self._aliases else key

    def forms(self, address: str) -> tuple[str, ...]:
        """Every key under which a directory may hold this address, aliases of its domain included."""
        key = self.key(address)
        local, _, domain = key.rpartition("@")
        aliases = (f"{local}@{old}" for old, new in sorted(self._aliases.items()) if new == domain)
        return tuple(dict.fromkeys((key, address_key(address), *aliases)))

    def in_scope(self, address: str) -> bool:
        """Whether syncd is responsible for this address. A domain whose alias target is in scope is in scope."""
        return self.covers(address_key(address))

    def covers(self, key: str) -> bool:
        """``in_scope`` for an address that is a key already."""
        domain = key.rpartition("@")[2]
        known = self._known.get(domain)
        if known is None:
            target = self._aliases.get(domain, domain)
            known = self._known[domain] = any(name in self._exact or name.endswith(self._below) for name in (domain, target))
        return known


def _domain(configured: str) -> str:
    """A domain of the configuration, which takes either spelling, in the form of keys."""
    return domain_key(configured) or configured.strip().lower()

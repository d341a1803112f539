"""From the address attributes of a person to what they claim: main addresses, aliases, and values that are neither. Pure.

The judge of a value is ``model.address`` for every directory; here is only which attribute makes an address a main one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from syncd.model import Unclear, is_main, judge

#: Attributes whose value is the person's own address; in proxyAddresses ``SMTP:`` says so, every other address is an alias.
MAIN_ATTRIBUTES = frozenset({"mail", "userprincipalname"})


@dataclass(slots=True)
class Claims:
    """What was found so far. *unclean* holds values as they stand, *troubles* why, with the attribute's name."""

    mains: dict[str, None] = field(default_factory=dict)
    aliases: dict[str, None] = field(default_factory=dict)
    unclean: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def add(self, attribute: str, values: Iterable[str]) -> None:
        """Judges every value of one attribute."""
        name = attribute.lower()
        typed = name == "proxyaddresses"
        for value in values:
            judged = judge(value, typed=typed)
            if isinstance(judged, str):
                kind = self.mains if name in MAIN_ATTRIBUTES or (typed and is_main(value)) else self.aliases
                kind[judged] = None
            elif isinstance(judged, Unclear):
                self.unclean.append(value)
                self.troubles.append(f"{attribute} {judged.why}")

    def keys(self) -> frozenset[str]:
        """Every address key."""
        return frozenset((*self.mains, *self.aliases))

    def kinds(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Main addresses, aliases that are none of these, and unclean values."""
        return tuple(self.mains), tuple(key for key in self.aliases if key not in self.mains), tuple(self.unclean)


def without_guest_names(values: Sequence[str]) -> list[str]:
    """*values* without the names Entra makes for guests of their addresses (``ann_fabrikam.com#EXT#@tenant``), which are none."""
    return [value for value in values if "#ext#@" not in value.lower()]

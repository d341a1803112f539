"""What the chain says of names and addresses that were blanked, held against the rows beside it while the chain is followed."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import timedelta

from syncd.ledger import entries
from syncd.ledger.audit import SET_BACK, WITH_LISTS, duration_in
from syncd.ledger.chain import Fault, Problem, Tip, measured_mention, time_text
from syncd.ledger.entry import decode
from syncd.model import LedgerEntry


@dataclass
class Blankings:
    """Follows what the chain says of blanked names and addresses: every row that is *blank* needs an entry. Ledgers that 0.1.0
    began are held to it from the entry on with which a later version went on, which lists what was blank then. And syncd
    blanks what no entry mentioned for as long as names are kept: whoever makes a row look older has it thinned by syncd itself.

    *last_at*: reference -> when its row says that it was mentioned last; none of an export.
    """

    blank: AbstractSet[str]
    last_at: Mapping[str, str] = field(default_factory=dict)
    _listed: set[str] = field(default_factory=set)
    _mentioned: dict[str, str] = field(default_factory=dict)  # reference -> when its last entry was written
    _keep: timedelta | None = None  # how long names are kept, where an entry says so
    _early: tuple[timedelta, Problem] | None = None  # what would be one unless the next entry of that says: shorter from here on
    _binding: bool = False  # whether a version that lists what it blanks has written here

    def begin(self) -> None:
        """Forgets what was taken."""
        self._listed.clear()
        self._mentioned.clear()
        self._keep, self._early, self._binding = None, None, False

    def take(self, entry: LedgerEntry) -> Problem | None:
        """One more good entry. Raises LedgerError when this program does not understand it."""
        match entry.kind:
            case entries.LedgerOpened.kind:
                self._binding = decode(entries.LedgerOpened, entry).v >= WITH_LISTS
            case entries.LedgerUpgraded.kind:
                self._binding = True
                self._listed.update(decode(entries.LedgerUpgraded, entry).blanked)
            case entries.PersonalBlanked.kind:
                return self._blanked(entry, decode(entries.PersonalBlanked, entry))
            case entries.PolicyInForce.kind:
                self._keep = duration_in(decode(entries.PolicyInForce, entry).values.get("ledger.keep_personal"))
                kept, early = self._early or (timedelta(), None)
                self._early = None
                if early is not None and self._keep is not None and kept < self._keep - SET_BACK:
                    return early
            case _ if mention := measured_mention(entry):
                self._mentioned[mention[0]] = mention[1]
            case _:
                pass
        return None

    def _blanked(self, entry: LedgerEntry, says: entries.PersonalBlanked) -> Problem | None:
        self._listed.update(says.refs)
        since = time_text(says.unused_since)
        if any(self._mentioned.get(ref, "") >= since for ref in says.refs):
            return Problem(
                entry.seq,
                Fault.PERSONAL,
                f"entry {entry.seq} blanked names and addresses that entries since {since} mention: somebody made them look old",
            )
        kept = says.time(entry).measured - says.unused_since
        if self._early is None and says.refs and self._keep is not None and kept < self._keep - SET_BACK:
            what = f"entry {entry.seq} blanked names and addresses that were to be kept for longer: syncd does not do that"
            self._early = kept, Problem(entry.seq, Fault.PERSONAL, what)
        return None

    def end(self, tip: Tip) -> Problem | None:
        """Whether somebody emptied rows that syncd did not."""
        if self._early is not None:
            return self._early[1]
        older = [ref for ref, at in self._mentioned.items() if ref not in self.blank and self.last_at.get(ref, at) < at]
        if older:
            return Problem(
                tip.seq,
                Fault.PERSONAL,
                f"{len(older)} names and addresses beside the chain were made to look as if nobody mentioned them for longer: "
                f"they would be blanked too early; the first is {min(older)[:12]}…",
            )
        emptied = sorted(self.blank - self._listed) if self._binding else []
        if not emptied:
            return None
        return Problem(
            tip.seq,
            Fault.PERSONAL,
            (
                f"{len(emptied)} names and addresses beside the chain were blanked, and no entry says so: somebody emptied them; "
                f"the first is {emptied[0][:12]}…"
            ),
        )

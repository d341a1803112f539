"""27 mutants of the decision core that once lived, by name: each breaks what a person would notice too late.

A text that is not in its function any more is an error: then look whether the rule moved, and move its mutant with it.
"""

from __future__ import annotations

import inspect
from typing import NamedTuple

from tests.mutation.planting import ROOT, Mutant, function_of

DECIDE, GUARDS = "syncd/planning/decide.py", "syncd/planning/guards"


class Named(NamedTuple):
    """*old* becomes *new*, in that function, wherever it stands in it."""

    name: str
    says: str
    file: str
    function: str
    old: str
    new: str

    def mutant(self) -> Mutant:
        """The mutant. Raises LookupError when its text is gone."""
        text, body = (ROOT / self.file).read_text(encoding="utf-8"), inspect.getsource(function_of(self.file, self.function))
        if self.old not in body or text.count(body) != 1:
            raise LookupError(f"{self.name} ({self.says}): {self.function} of {self.file} has no {self.old!r} any more")
        return Mutant(self.file, self.function, self.says, text.replace(body, body.replace(self.old, self.new)))


NAMED = (
    Named(
        "D12",
        "decide ignores holds altogether",
        DECIDE,
        "_Table._answer",
        "self._history.on_hold(case.zoom_id, self._now)",
        "False",
    ),
    Named(
        "D1",
        "somebody unreadable without a name keeps no unclaimed account",
        DECIDE,
        "_Table._absence_is_unclear",
        "self._unresolved or (self._nameless and claim.remembered is None)",
        "self._unresolved",
    ),
    Named(
        "D2",
        "one remembered nameless person vouches for all",
        "syncd/planning/clarity.py",
        "nameless",
        "not who <= who.intersection(remembered)",
        "not who.intersection(remembered)",
    ),
    Named(
        "D3",
        "protected accounts become manual within the grace",
        DECIDE,
        "_Table._not_entitled",
        "leaving.due and self._protection",
        "self._protection",
    ),
    Named(
        "D4",
        "our own reactivation counts as somebody else's",
        DECIDE,
        "_Table._brought_back",
        "last.reactivated_at is None",
        "True",
    ),
    Named(
        "D5",
        "an account seen active meanwhile still counts as ours",
        "syncd/model/entries.py",
        "Deactivated.stands",
        " and not self.seen_active",
        "",
    ),
    Named(
        "D6",
        "a second account comes back without a human",
        "syncd/planning/ownership.py",
        "comes_back_for",
        "None if has_another_active(person) else person",
        "person",
    ),
    Named(
        "D7",
        "a refusal is believed a moment longer",
        DECIDE,
        "_Table._overridden",
        "< REFUSAL_BELIEVED_FOR",
        "<= REFUSAL_BELIEVED_FOR",
    ),
    Named("D8", "a refusal survives a change of the credential", DECIDE, "refusal_fingerprint", ", credential]", "]"),
    Named(
        "D9", "the role at our deactivation is forgotten", DECIDE, "_Table._overridden", ", self._remembered_role(zoom_id)", ""
    ),
    Named(
        "D11", "the leaver group's path is not shown", DECIDE, "_Table._decision", "path = leaving.person.leaver_by", "path = ()"
    ),
    Named("D13", "nobody notes duplicate_account", DECIDE, "_Table._notes_of", 'yield "duplicate_account"', "pass"),
    Named(
        "G4",
        "group-emptied also for leaver groups",
        f"{GUARDS}/reads.py",
        "group_emptied",
        "(GroupUse.ENTITLING, GroupUse.PROTECTING)",
        "tuple(GroupUse)",
    ),
    Named(
        "G5",
        "a sentinel in an aliased domain is never found",
        f"{GUARDS}/reads.py",
        "sentinel_missing",
        "addresses.key(sentinel)",
        "sentinel.lower()",
    ),
    Named(
        "G6",
        "an accepted match rate above the limit raises it",
        f"{GUARDS}/reads.py",
        "match_rate",
        "min(limit, accepted)",
        "accepted",
    ),
    Named(
        "G7",
        "the floor of match-rate counts the population",
        f"{GUARDS}/reads.py",
        "match_rate",
        "active - matched >",
        "active >",
    ),
    Named(
        "G8",
        "protected-in-plan does not look at the person",
        f"{GUARDS}/facts.py",
        "Facts.protected",
        "[person for id_ in _owners(effect) if id_ is not None and (person := self.directory.find(id_)) is not None]",
        "[]",
    ),
    Named(
        "G9",
        "the daily guard honours another guard's approval",
        f"{GUARDS}/sizes.py",
        "_over",
        "facts.uncovered(guard, action)",
        "[e for e in facts.uncovered(guard, action) if not facts.covering(e, Guard.MAX_DEACTIVATIONS)]",
    ),
    Named("G10", "flapping cannot be approved", f"{GUARDS}/safety.py", "flapping", "and not reviewed", ""),
    Named("G11", "approved reactivations count", f"{GUARDS}/sizes.py", "sum_before", "and not one.approved", ""),
    Named(
        "G12",
        "accounts out of scope dilute percentages",
        f"{GUARDS}/facts.py",
        "Facts.active_in_scope",
        "and decision.reason is not Reason.OUT_OF_SCOPE",
        "",
    ),
    Named(
        "G14",
        "protected-in-plan forgets the remembered role",
        f"{GUARDS}/facts.py",
        "Facts.protected",
        ", self._remembered_role(effect)",
        "",
    ),
    Named(
        "A1",
        "policy-changed disarms while somebody is within the grace",
        "syncd/planning/approved.py",
        "unreviewed",
        "(*due, *plan.on_the_way, *brought_back)",
        "due",
    ),
    Named(
        "A7", "guards of deactivations hold reactivations", f"{GUARDS}/table.py", "holds", "action in TRAITS[guard].holds", "True"
    ),
    Named(
        "P1",
        "a bracket in a pattern is a class of characters",
        "syncd/planning/protection.py",
        "Patterns.__init__",
        'glob.replace("[", "[[]")',
        "glob",
    ),
    Named(
        "P2",
        "only the first claimant's group protects",
        "syncd/planning/protection.py",
        "Protection.exempt",
        "for person in claimants:",
        "for person in claimants[:1]:",
    ),
    Named(
        "H10",
        "what a dry run foresees leaks into the history",
        "syncd/ledger/history.py",
        "Growing.__getattr__",
        "set(value) if isinstance(value, frozenset | set) else dict(value) if isinstance(value, dict) else value",
        "value",
    ),
)

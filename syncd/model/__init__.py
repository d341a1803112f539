"""The nouns by subject: frozen values that every room speaks of. Times are aware UTC. Of libraries
only ``idna`` is used here, for the domains of addresses.

A snapshot exists only if it is whole: whoever builds one has proved that every page came, that totals tie and that
nothing in it stands for "could not be read". Doubt about the whole is ``errors.SourceError``; doubt about one person is
``Person.unclear``, which makes that person unknown and never absent.
"""

from syncd.model.account import LICENCES, ZoomAccount, ZoomSnapshot, licence_word
from syncd.model.address import (
    Key,
    Nothing,
    Unclear,
    address_key,
    domain_in_letters,
    domain_key,
    is_main,
    judge,
    lowered,
    pattern_key,
    spellings,
)
from syncd.model.canonical import canonical_json, sha256_of
from syncd.model.cycle import CycleReport, EffectOutcome
from syncd.model.directory import DirectoryGroup, DirectorySnapshot, GroupUse, Person, unclear_limit
from syncd.model.entries import (
    Acknowledgement,
    Announcement,
    Approval,
    Counted,
    Deactivated,
    Draft,
    Gone,
    Head,
    Hold,
    Intent,
    LedgerEntry,
    MemoryChange,
    RecordedPlan,
    Refusal,
)
from syncd.model.plan import EFFECTS, Decision, Plan, SecondLook, Verdict
from syncd.model.policy import Limits, Policy
from syncd.model.words import (
    Action,
    ClockStanding,
    Guard,
    Mode,
    OutcomeKind,
    OutcomeReason,
    Reason,
    Result,
    Status,
    StopReason,
    Trigger,
)

__all__ = [
    "EFFECTS",
    "LICENCES",
    "Acknowledgement",
    "Action",
    "Announcement",
    "Approval",
    "ClockStanding",
    "Counted",
    "CycleReport",
    "Deactivated",
    "Decision",
    "DirectoryGroup",
    "DirectorySnapshot",
    "Draft",
    "EffectOutcome",
    "Gone",
    "GroupUse",
    "Guard",
    "Head",
    "Hold",
    "Intent",
    "Key",
    "LedgerEntry",
    "Limits",
    "MemoryChange",
    "Mode",
    "Nothing",
    "OutcomeKind",
    "OutcomeReason",
    "Person",
    "Plan",
    "Policy",
    "Reason",
    "RecordedPlan",
    "Refusal",
    "Result",
    "SecondLook",
    "Status",
    "StopReason",
    "Trigger",
    "Unclear",
    "Verdict",
    "ZoomAccount",
    "ZoomSnapshot",
    "address_key",
    "canonical_json",
    "domain_in_letters",
    "domain_key",
    "is_main",
    "judge",
    "licence_word",
    "lowered",
    "pattern_key",
    "sha256_of",
    "spellings",
    "unclear_limit",
]

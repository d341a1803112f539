"""The kinds of ledger entry: for each what it says, and what that changes in the read model. All times are aware UTC.

To add a kind, add one class in the module of its subject: ``@kind("name")``, its fields, and ``fold`` if it changes what the
ledger says so far (none: it is evidence); and its name below. ``record.py`` makes drafts of domain values. To say more in a kind
that exists (a pair's claim in ``Memory``, say), add a field with a default and raise ``newest`` in its decorator: older bodies
still read, and an older program refuses the newer ones in words instead of passing over what it does not know. A field is never
taken away and never changes its meaning.

Fields that hold words (actions, reasons, statuses) are text: a word that is no longer used stays readable. Nothing personal
stands here: names and addresses lie beside the chain, under ``who``.
"""

from __future__ import annotations

from syncd.ledger.entries.cycles import (
    BASELINE_WINDOW,
    DAY,
    MONTH,
    CycleEnded,
    CycleRead,
    DecisionMade,
    Memory,
    PlanMade,
    ReadFacts,
    TrippedGuard,
    stricter,
)
from syncd.ledger.entries.effects import (
    IntentAnnounced,
    OutcomeSettled,
    RefusalSaid,
    TroubleMet,
)
from syncd.ledger.entries.handover import (
    PLAN_LASTS,
    RELEASE_LASTS,
    RELEASERS,
    AccessChanged,
    HandoverAnnounced,
    HandoverPlanned,
    HandoverSettled,
    InventoryTaken,
    ItemPlanned,
    LeaverRemembered,
    LegalHoldReleased,
)
from syncd.ledger.entries.itself import (
    CheckpointMade,
    HeadSigned,
    LedgerAccepted,
    LedgerOpened,
    LedgerRestored,
    LedgerUpgraded,
    PersonalBlanked,
    PolicyInForce,
    ReportsFiled,
    ReportsRemoved,
    ReportUnfiled,
    ReportWritten,
)
from syncd.ledger.entries.people import (
    ApprovalCounts,
    ApprovalGiven,
    ChangesPaused,
    ChangesResumed,
    CycleReviewed,
    CycleUndone,
    HoldPlaced,
    HoldReleased,
    PeopleAnnounced,
    RowAcknowledged,
)
from syncd.ledger.entries.witness import (
    SEEN_AS,
    WITNESSES_REMEMBERED,
    ChangeSeen,
    LogCompared,
    WitnessesSet,
)

__all__ = [
    "BASELINE_WINDOW",
    "DAY",
    "MONTH",
    "PLAN_LASTS",
    "RELEASERS",
    "RELEASE_LASTS",
    "SEEN_AS",
    "WITNESSES_REMEMBERED",
    "AccessChanged",
    "ApprovalCounts",
    "ApprovalGiven",
    "ChangeSeen",
    "ChangesPaused",
    "ChangesResumed",
    "CheckpointMade",
    "CycleEnded",
    "CycleRead",
    "CycleReviewed",
    "CycleUndone",
    "DecisionMade",
    "HandoverAnnounced",
    "HandoverPlanned",
    "HandoverSettled",
    "HeadSigned",
    "HoldPlaced",
    "HoldReleased",
    "IntentAnnounced",
    "InventoryTaken",
    "ItemPlanned",
    "LeaverRemembered",
    "LedgerAccepted",
    "LedgerOpened",
    "LedgerRestored",
    "LedgerUpgraded",
    "LegalHoldReleased",
    "LogCompared",
    "Memory",
    "OutcomeSettled",
    "PeopleAnnounced",
    "PersonalBlanked",
    "PlanMade",
    "PolicyInForce",
    "ReadFacts",
    "RefusalSaid",
    "ReportUnfiled",
    "ReportWritten",
    "ReportsFiled",
    "ReportsRemoved",
    "RowAcknowledged",
    "TrippedGuard",
    "TroubleMet",
    "WitnessesSet",
    "stricter",
]

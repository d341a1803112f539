"""What a few thousand cycles of the simulation must have met; a table with a zero in it proves less than it says."""

from __future__ import annotations

from tests.simulation import handing_over, watching
from tests.simulation.events import KINDS

_REASONS = frozenset(
    {
        "out_of_scope",
        "invitation_pending",
        "on_hold",
        "exempt",
        "in_step",
        "directory_unclear",
        "protected",
        "reactivated_by_others",
        "in_leavers_group",
        "disabled_in_directory",
        "expired_in_directory",
        "left_groups",
        "absent_from_directory",
        "within_grace",
        "deactivated_by_hand",
        "ambiguous_match",
        "returning",
        "entitled_again",
        "deactivated_by_others",
    }
)

_GUARDS = frozenset(
    {
        "directory-empty",
        "directory-shrunk",
        "group-emptied",
        "group-replaced",
        "sentinel-missing",
        "match-rate",
        "clock-skew",
        "paused",
        "ledger-new",
        "max-deactivations",
        "max-deactivations-percent",
        "max-deactivations-per-day",
        "policy-changed",
    }
)


def wanted(switches: frozenset[str], *, rare: bool = False) -> dict[str, frozenset[str]]:
    """Family -> words that a run with these switches must meet. *rare*: it is long enough for the rarest events, too."""
    return {
        "event": frozenset(
            kind.name for kind in KINDS.values() if (not kind.switch or kind.switch in switches) and (rare or kind.weight > 1)
        ),
        "reason": _REASONS,
        "guard": _GUARDS,
        "result": frozenset({"in_step", "applied", "held", "unreadable", "partial", "failed"}),
        "request": frozenset({"deactivate", "reactivate", "restore_licence", "revoke_sessions"}),
        "refusal": frozenset({"lost_before", "lost_after", "lands_late", "lie", "throttled", "no_licence"}),
        "verb": frozenset(
            {"pause", "resume", "hold", "release", "undo", "approve", "accept", "account deactivate", "account reactivate"}
        ),
        "review": frozenset({"approved", "mistake found", "nothing to approve"}),
        **(handing_over.WANTED if "handover" in switches else {}),
        **(watching.WANTED if "watch" in switches else {}),
        "left": frozenset({"disabled", "deleted", "expired", "leavers group", "taken out of the groups"}),
    }

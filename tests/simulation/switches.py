"""Faults that other work mends, by name: off until that work lands, and a test shows what each breaks today.

Whoever mends one takes its ``off_until`` away (the empty text); the test of the switches then demands that nothing breaks.
"""

from __future__ import annotations

from dataclasses import dataclass

OWNERSHIP = "Who owns an account, and directories as they really are"
STATE = "State that cannot be lost, fooled or worn down"
DAEMON = "One odd account never stops the others; the daemon tells the truth about itself"


@dataclass(frozen=True, slots=True)
class Switch:
    """A fault with the subject of the issue that mends it (empty: mended, and on). *seed*: a company in which it shows.
    *events*: what it lets happen; *breaks*: the invariants of which one does not hold until then."""

    name: str
    off_until: str
    seed: str
    events: tuple[str, ...]
    breaks: tuple[str, ...]
    apart: bool = False  # it has runs of its own, so that usual stories stay what they are

    @property
    def on(self) -> bool:
        """Whether a usual run has it."""
        return not self.off_until


SWITCHES: tuple[Switch, ...] = (
    Switch(
        "inherited_address",
        "",
        "inherited_address/0",
        ("alias_inherited", "address_recycled", "renamed_and_address_given_away", "second_account"),
        ("entitled", "leaver_seen", "given_away"),
    ),
    Switch("nameless_person", "", "nameless_person/0", ("nameless_person",), ("leaver_off",)),
    Switch("stale_directory", "", "stale_directory/2", ("controller_lags", "old_export"), ("stale_view", "limit_24_hours")),
    Switch("group_replaced", "", "group_replaced/0", ("group_replaced",), ("group_replaced",)),
    Switch("slow_drip", "", "slow_drip/0", ("drip",), ("limit_30_days",)),
    Switch("future_entry", "", "future_entry/1", ("entry_from_the_future",), ("limit_24_hours",)),
    Switch(
        "ledger_restored",
        "",
        "ledger_restored/1",
        ("ledger_restored",),
        ("paused", "held", "twice", "entitled", "grace", "grace_reads"),
    ),
    Switch("ledger_lost", "", "ledger_lost/0", ("ledger_lost",), ("paused", "held", "not_ours", "grace", "grace_reads")),
    Switch("odd_account", "", "odd_account/0", ("odd_account",), ("stuck",)),
    Switch(
        "watch",
        "",
        "watch/1",
        (
            "signals_lost",
            "signals_late",
            "signals_doubled",
            "signals_invented",
            "signals_without_end",
            "place_down",
            "servers_disagree",
        ),
        ("limit_24_hours",),
    ),
    Switch(
        "handover",
        "",
        "handover/0",
        ("manager_named", "legal_hold", "content_handed_over"),
        ("handover_held", "handover_entitled", "handover_not_ours", "handover_active"),
        apart=True,
    ),
    Switch("policy_widened", "", "policy_widened/0", ("policy_widened",), ("unreviewed",), apart=True),
    Switch(
        "smaller_than_reviewed",
        "",
        "smaller_than_reviewed/0",
        ("shrinks_while_reviewed",),
        ("smaller_than_reviewed",),
        apart=True,
    ),
    Switch("scope_misspelt", "", "scope_misspelt/0", ("scope_misspelt",), ("idle",), apart=True),
    Switch("licence_owed", "", "licence_owed/0", ("killed_before_the_licence",), ("licence_back",), apart=True),
    Switch("clock_set_back", "", "clock_set_back/0", ("clock_set_back",), ("runs",)),
)

BY_NAME = {switch.name: switch for switch in SWITCHES}


def usual() -> frozenset[str]:
    """The switches of a usual run."""
    return frozenset(switch.name for switch in SWITCHES if switch.on and not switch.apart)


def everything() -> frozenset[str]:
    """Those that have runs of their own, too: a long night's."""
    return frozenset(switch.name for switch in SWITCHES if switch.on)

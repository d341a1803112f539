"""The guards: small, pure, facts before prose. Each measures one thing and says what to do when it is too much.

A guard never decides who is deactivated; it only says that a whole plan, or one direction of it, must not be carried out
before a person has looked. Every guard is judged in every mode. ``table.py`` says what each is, ``chains.py`` who asks which.
"""

from syncd.planning.guards.chains import (
    CYCLE_GUARDS,
    HAND_GUARDS,
    HANDOVER_GUARDS,
    Judgement,
    approval_command,
    judge,
    judge_by_hand,
)
from syncd.planning.guards.facts import Facts, HandFacts, Situation, group_entry, group_measure, values_of
from syncd.planning.guards.sizes import SUMS, sum_before
from syncd.planning.guards.table import (
    NOT_APPROVABLE,
    READ_GUARDS,
    TRAITS,
    approvable,
    good_read,
    holds,
    holds_effect,
    holds_everything,
)

__all__ = [
    "CYCLE_GUARDS",
    "HANDOVER_GUARDS",
    "HAND_GUARDS",
    "NOT_APPROVABLE",
    "READ_GUARDS",
    "SUMS",
    "TRAITS",
    "Facts",
    "HandFacts",
    "Judgement",
    "Situation",
    "approvable",
    "approval_command",
    "good_read",
    "group_entry",
    "group_measure",
    "holds",
    "holds_effect",
    "holds_everything",
    "judge",
    "judge_by_hand",
    "sum_before",
    "values_of",
]

"""From one read to what may be done about it: decide, wait for replication, judge. Whole cycles, looks between them and
comparisons of two configurations come here, so that none of them knows a rule, a guard or a doubt that the others do not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from typing import TypeVar

from syncd.ledger.history import History
from syncd.model import CycleReport, Decision, DirectorySnapshot, Guard, Mode, Plan, Policy, Verdict, ZoomSnapshot
from syncd.operations.dependencies import Dependencies, timed
from syncd.operations.ending import approvals_in_use
from syncd.planning.approvals import held_by
from syncd.planning.arming import armed
from syncd.planning.decide import decide
from syncd.planning.guards import Facts, good_read, judge
from syncd.planning.stale import wait_for_replication

T = TypeVar("T")


@dataclass(frozen=True)
class Judged:
    """A plan with all that was looked at for it (*facts*), every guard's verdict, and which guards hold which of its effects."""

    facts: Facts
    verdicts: tuple[Verdict, ...]
    held: Mapping[tuple[str, str], tuple[Guard, ...]]

    @property
    def plan(self) -> Plan:
        """As bound to what its read guards measured."""
        return self.facts.plan

    @cached_property
    def free(self) -> list[Decision]:
        """The effects that no guard holds."""
        return [effect for effect in self.plan.effects if effect.key not in self.held]

    def told_in(self, report: CycleReport) -> CycleReport:
        """The report with what was read, decided and judged in it."""
        facts = self.facts
        return replace(
            report,
            plan=self.plan,
            directory=facts.directory,
            entitled=facts.entitled,
            zoom=facts.zoom,
            verdicts=self.verdicts,
            good_read=good_read(self.verdicts),
            held=self.held,
            approvals=approvals_in_use(self.plan, facts),
            measures=facts.measures,
            head=facts.history.head,
        )


async def decide_and_judge(
    deps: Dependencies,
    policy: Policy,
    mode: Mode,
    directory: DirectorySnapshot,
    zoom: ZoomSnapshot,
    history: History,
    now: datetime,
    *,
    entitled: int,
    cycle_id: str = "",
    look: bool = False,
) -> Judged:
    """Every account, one decision, one reason; every guard, one verdict. *entitled*: how many people of the *directory* are;
    *cycle_id*: of the cycle whose phases observers are told, "" where there is none. Raises LedgerError.
    """
    made = partial(decide, directory, zoom, history, policy, now, deps.credential(), look=look)
    plan, look_older = wait_for_replication(await _phase(deps, cycle_id, "decide", made), directory, history, policy, now)
    doubts = await deps.doubts(history)
    facts = Facts(
        plan,
        history,
        policy,
        now,
        directory,
        zoom,
        armed(history, policy, mode),
        entitled,
        doubts.new,
        doubts.missing,
        look_older,
    )
    plan, verdicts = await _phase(deps, cycle_id, "judge", partial(judge, facts))
    facts = facts.bound_to(plan)
    held = {effect.key: guards for effect in plan.effects if (guards := tuple(held_by(effect, verdicts, facts)))}
    return Judged(facts, verdicts, held)


async def _phase(deps: Dependencies, cycle_id: str, phase: str, work: Callable[[], T]) -> T:
    """*work* in a thread: heartbeats and probes are answered meanwhile."""
    working = asyncio.to_thread(work)
    return await (timed(deps, cycle_id, phase, working) if cycle_id else working)

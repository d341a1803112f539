"""What carrying out works with (ports), under which authority (context), and what became of it so far (progress)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from syncd.errors import Refused, SyncdError
from syncd.events import EffectSettled
from syncd.execution.group_commit import GroupCommit
from syncd.execution.lifecycle import Step, stop_reason
from syncd.execution.set_up import SameAnswers
from syncd.model import Decision, EffectOutcome, Intent, OutcomeKind, Policy, StopReason
from syncd.planning.windows import ANY_TIME, Windows
from syncd.ports import Clock, Directory, Leadership, Ledger, Tell, Zoom

#: Writes of a cycle that are looked at before a share of failing ones means anything. What Zoom says of single accounts counts
#: for that share only once it said the same of so many.
WRITES_JUDGED_AFTER = 10

#: Licences or ends of sessions refused in a row before a cycle asks for no more of them: Zoom may switch off an app whose
#: requests keep failing, and one refusal may be about that account alone. What they stand beside goes on.
REFUSED_IN_A_ROW = 3


@dataclass(frozen=True)
class Ports:
    """What carrying out needs from outside."""

    directory: Directory | None  # None: hand verbs, which need no directory
    zoom: Zoom
    ledger: Ledger
    leadership: Leadership
    clock: Clock
    tell: Tell
    stopping: Callable[[], bool]
    concurrency: int = 16


@dataclass(frozen=True)
class ExecutionContext:
    """Under which authority effects are carried out."""

    cycle_id: str
    term: int
    policy: Policy
    by: str = "cycle"  # cycle | hand | undo
    credential: str = ""
    while_paused: bool = False
    approvals: Mapping[tuple[str, str], str] = field(default_factory=dict)
    restore: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # zoom id -> licence owed to the account
    windows: Windows = ANY_TIME  # none for what people ask for
    changed_at: Mapping[str, datetime] = field(default_factory=dict)  # zoom id -> change in the directory, where it tells

    def denied(self, effect: Decision, ports: Ports) -> bool:
        """Whether the operator's calendar denies this change now."""
        return self.windows.denied(effect.action, effect.reason, ports.clock.now())


@dataclass
class Progress:
    """What happened so far. *stopped* says why nothing more is tried; *error* what caused it, if anything did."""

    outcomes: dict[tuple[str, str], EffectOutcome] = field(default_factory=dict)
    changes: int = 0  # changes of a status that were tried, …
    failed: int = 0  # … those of them that failed, and not by what Zoom said of one account, …
    said: Counter[str] = field(default_factory=Counter)  # … and what it said of single ones, how often
    accepted: int = 0  # changes of a status that were done
    same_answers: SameAnswers = field(default_factory=SameAnswers)
    #: What remembers the trouble of changes that were refused for their rate to the end, once another change is accepted.
    too_fast: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    refused_beside: Counter[str] = field(default_factory=Counter)  # action beside a status -> refused in a row
    none_free: bool = False  # the latest licence was refused because none is free
    commit: GroupCommit = field(default_factory=GroupCommit)
    stopped: StopReason | None = None
    error: SyncdError | None = None
    _answered: int = 0
    _under_way: int = 0

    @property
    def written(self) -> int:
        """Changes of any kind sent to Zoom, those under way included; not those that Zoom surely did not look at."""
        return self._answered + self._under_way

    @contextmanager
    def writing(self) -> Iterator[Callable[[Step], None]]:
        """A write is under way inside; tell what came of it. When nobody tells (the process is stopped), it counts."""
        self._under_way += 1
        counts = True

        def told(step: Step) -> None:
            nonlocal counts
            counts = step.written

        try:
            yield told
        finally:
            self._under_way -= 1
            self._answered += counts

    def stop(self, why: StopReason, error: SyncdError | None = None) -> None:
        """Nothing more is tried after this; the first reason stays."""
        if self.stopped is None:
            self.stopped, self.error = why, error

    def stop_for(self, error: SyncdError) -> None:
        """The same, for a fault that concerns every account."""
        self.stop(stop_reason(error), error)

    def count_change(self, outcome: EffectOutcome, answer: str, policy: Policy) -> None:
        """Zoom may switch off an app whose requests keep failing, so a share of failing ones ends the cycle. Only changes of
        a status count: what stands beside one has a bound of its own (``REFUSED_IN_A_ROW``) and must not make the share look
        small. *answer*: what Zoom said of this one account, if that is why it failed."""
        if outcome.outcome is OutcomeKind.NOT_TRIED:
            return
        self.changes += 1
        if outcome.outcome is OutcomeKind.FAILED:
            if answer:
                self.said[answer] += 1
            else:
                self.failed += 1
        failed = self.failed + sum(times for times in self.said.values() if times >= WRITES_JUDGED_AFTER)
        share = policy.limits.max_failing_writes_percent
        if self.changes >= WRITES_JUDGED_AFTER and failed * 100 > share * self.changes:
            self.stop(
                StopReason.TOO_MANY_FAILURES,
                Refused(
                    f"ended early: {failed} of {self.changes} changes failed, more than {share:g} % "
                    "(guards.max_failing_writes_percent); no more were tried.",
                    kind="other",
                    do="See why in the outcomes: the next cycle tries again, and Zoom may switch off an app that keeps failing.",
                ),
            )


def may_act(ports: Ports) -> StopReason | None:
    """Why nothing more is begun, if anything: stopping, not leading."""
    if ports.stopping():
        return StopReason.STOPPED
    return None if ports.leadership.leads() else StopReason.NOT_LEADER


async def may_continue(context: ExecutionContext, ports: Ports, progress: Progress) -> bool:
    """Whether the next write may be sent; if not, ``Progress.stopped`` says why. Asked between any two writes. Raises
    LedgerError."""
    why = progress.stopped or may_act(ports)
    if why is None and not context.while_paused and (await ports.ledger.history()).paused_since is not None:
        why = StopReason.PAUSED
    if why is not None:
        progress.stop(why)
    return why is None


def tell_settled(intent: Intent, address: str, outcome: EffectOutcome, context: ExecutionContext, ports: Ports) -> None:
    """Tells how something beside a change of a status ended."""
    ports.tell(
        EffectSettled(context.cycle_id, intent.zoom_id, address, intent.action, outcome.outcome.value, str(outcome.reason))
    )

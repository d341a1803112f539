"""What the status page and the readiness probe know: the last of each event. Never looks anything up by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from syncd import events
from syncd.model import Guard, Head, Status
from syncd.observe.page import StatusView
from syncd.ports import Clock


class StatusKeeper:
    """Tell: keeps a ``StatusView`` up to date."""

    def __init__(self, version: str, mode: str, clock: Clock, approvable: frozenset[Guard]) -> None:
        self._clock = clock
        #: Why the ledger cannot be read right now; empty while it can.
        self.ledger_trouble = ""
        self._view = StatusView(version=version, mode=mode, now=clock.now(), leader=False, approvable=approvable)

    def remember(
        self, *, last_success_at: datetime | None, cycle_id: str, result: str, ended_at: datetime | None, head: Head
    ) -> None:
        """What the ledger knows of earlier runs."""
        self._view = replace(
            self._view,
            last_success_at=last_success_at,
            cycle_id=cycle_id,
            result=result,
            ended_at=ended_at,
            head_sequence=head.seq,
            head_hash=head.hash,
        )

    def view(self) -> StatusView:
        """The page's facts as of now."""
        return replace(self._view, now=self._clock.now())

    def __call__(self, event: events.Event) -> None:
        """Keeps what the page shows of it."""
        match event:
            case events.CycleStarted():
                self._view = replace(self._view, running_since=self._clock.now())
            case events.DirectoryRead(snapshot=directory, entitled=entitled):
                self._view = replace(self._view, directory_people=len(directory.people), directory_entitled=entitled)
            case events.ZoomRead(snapshot=zoom):
                self._view = replace(
                    self._view,
                    zoom_active=zoom.count(Status.ACTIVE),
                    zoom_pending=zoom.count(Status.PENDING),
                    zoom_inactive=zoom.count(Status.INACTIVE),
                )
            case events.PlanMade(plan=plan, verdicts=verdicts):
                counts = {action.value: count for action, count in plan.counts.items()}
                self._view = replace(
                    self._view,
                    verdicts=verdicts,
                    plan_digest=plan.digest,
                    counts=counts,
                    why="",
                    do="",
                    next_opening=min(event.next_openings.values(), default=None),
                    calendar=event.calendar,
                )
            case events.SourceUnreadable(why=why, do=do):
                self._view = replace(self._view, why=why, do=do)
            case events.CycleEnded():
                self._view = replace(
                    self._view,
                    running_since=None,
                    cycle_id=event.cycle_id,
                    result=event.result,
                    ended_at=event.ended_at,
                    last_success_at=event.ended_at if event.success else self._view.last_success_at,
                    head_sequence=event.head_sequence or self._view.head_sequence,
                    head_hash=event.head_hash or self._view.head_hash,
                )
            case events.CycleScheduled(at=at):
                self._view = replace(self._view, next_cycle_at=at)
            case events.LedgerSeen(fine=fine, why=why):
                self.ledger_trouble = "" if fine else why
            case events.PauseSeen(paused=paused):
                self._view = replace(self._view, paused=paused)
            case events.LeadershipChanged(leader=leader):
                self._view = replace(self._view, leader=leader)
            case events.Noted(event="head.signed", facts=facts):
                self._view = replace(self._view, signed_sequence=int(str(facts["head_sequence"])), signed_by=str(facts["key"]))
            case _:
                self._between_cycles(event)

    def _between_cycles(self, event: events.Event) -> None:
        match event:
            case events.LookEnded() if event.head_sequence:
                self._view = replace(self._view, head_sequence=event.head_sequence, head_hash=event.head_hash)
            case events.WatchDegraded(why=why, do=do):
                self._view = replace(self._view, watch_degraded=why, watch_do=do)
            case _:
                pass

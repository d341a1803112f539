"""What may never happen, judged by somebody who knows the truth. Nothing here looks at how syncd comes to its decisions.

Each finding names its invariant; the first one ends the run. The checks stand at the moment they speak of: when a request for a
change leaves, when an entry is written, when a cycle ends, when the company has become calm.
"""

from __future__ import annotations

import traceback
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from syncd.events import CycleEnded, Event
from syncd.model import CycleReport
from tests.simulation import handing_over, reviewing
from tests.simulation.truth import ACTIVE, INACTIVE, LICENSED, MEMBER, VIPS, Account, Entry
from tests.simulation.wiring import READ_GUARDS, Process
from tests.simulation.world import DAY, HOUR, Copy, View, World

#: Clocks may be this wrong before a guard says so, so spans that syncd measures may be too.
CLOCK_TOLERANCE = 700.0

#: Cycles in a row after which a change that nothing holds counts as forgotten.
STUCK_AFTER = 4

#: Entries that people write; everybody else writes under a term.
PEOPLES = frozenset(
    {"pause", "resume", "hold", "release", "approval", "plan", "handover.plan", "ledger.opened", "ledger.accepted"}
)

#: Answers of Zoom that leave a change undone for good, and say so.
_REPORTED = frozenset(
    {"refused_by_zoom", "refused", "upcoming_zoom_events", "gone_from_zoom", "changed_since_plan", "account_unreadable", "window"}
)


@dataclass(frozen=True)
class Finding:
    """An invariant that did not hold."""

    invariant: str
    says: str
    at: str

    def __str__(self) -> str:
        return f"{self.at} {self.invariant}: {self.says}"


@dataclass
class Announced:
    """An intent in the ledger that has no outcome yet, and what was so when it was written."""

    id: str
    process: str
    term: int
    by: str
    reason: str
    approved: bool
    paused: bool
    held: bool
    account_type: int | None


class Oracle:
    """Sees everything that passes between syncd and the outside."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.findings: list[Finding] = []
        self.announced: dict[tuple[str, str], list[Announced]] = {}
        self.linked: dict[str, str] = {}  # zoom id -> the owner's entry that a good read showed for it
        self.gone: dict[str, tuple[float, int]] = {}  # zoom id -> first good read without its owner, and how many since
        self.wrong: list[tuple[float, str]] = []  # who was switched off wrongly, when, without an approval
        self.unapproved: list[tuple[float, str]] = []  # rightly or wrongly
        self.alone: dict[str, bool] = {}  # a deactivation without approval is under way -> whether they work here
        self.ours: set[str] = set()  # switched off by a cycle, and not active since when a cycle read it
        self.due: Counter[tuple[str, str]] = Counter()
        self.newest_view = 0.0
        self.group_id = world.truth.group_id  # the object that somebody meant by the group's name
        self.cycles = 0
        self.excused_until = 0.0
        self.results: Counter[str] = Counter()
        self.restore_failed: set[str] = set()

    # ------------------------------------------------------------------------------------------------------- findings

    def find(self, invariant: str, says: str) -> None:
        """Remembers it and ends the run."""
        self.findings.append(Finding(invariant, says, f"{self.world.now:%Y-%m-%d %H:%M:%S}"))
        self.world.note(f"!! {invariant}: {says}")
        self.world.stopped.set()

    def fault(self, who: str, says: str, error: BaseException | None = None) -> None:
        """An exception that nobody foresaw."""
        where = "".join(traceback.format_exception(error)[-6:]) if error is not None else ""
        self.find("fault", f"{who}: {says} {where}")

    # ------------------------------------------------------------------------------------------------------ the ledger

    def forgets(self, copy: Copy | None) -> None:
        """The ledger is that of a copy, or (None) a new one: what it remembered of people since then is not known any more, and
        nobody could know it, nor which licences were taken in between: an active account is used by whoever has its address. What
        people decided (a pause, holds) still counts; who was gone already in an older one is gone still. What was announced and
        not settled in the copy is so again, and a new ledger means by a group's name whatever it finds."""
        self.group_id = copy.group_id if copy is not None else ""
        self.ours = set(copy.ours) if copy is not None else set()
        self.linked = dict(copy.linked) if copy is not None else {}
        self.announced = {key: list(known) for key, known in copy.announced.items()} if copy is not None else {}
        if copy is None:
            self.gone.clear()
        for account in self.world.truth.accounts.values():
            if copy is None or account.taken_at > copy.at:
                account.taken = None
            if copy is None and account.status != INACTIVE:
                self.world.truth.taken_over(account)
        self.unapproved.clear()
        self.wrong.clear()
        self.newest_view = 0.0
        reviewing.forgets(self.world)
        if (handing := handing_over.of(self.world)) is not None:
            handing.used.clear()  # it may remember an approval, and not that it was used

    def writer_taken(self, process: Process, term: int) -> None:
        world = self.world
        if world.writers:
            self.find("one_writer", f"{process.name} writes beside {world.writers}")
        world.writers.append(process.name)
        if term <= world.newest_term:
            self.find("terms_grow", f"{process.name} got term {term}, {world.newest_term} was given before")
        world.newest_term = term

    def appended(self, process: Process, term: int, entries: Iterable[tuple[str, str, Mapping[str, Any]]]) -> None:
        world, entries = self.world, list(entries)
        if (handing := handing_over.of(world)) is not None:
            handing_over.appended(process, handing, entries)
        for kind, subject, body in entries:
            if term and term < world.newest_term:
                self.find("older_term", f"{process.name} wrote {kind} under term {term}, the newest is {world.newest_term}")
            if not term and kind not in PEOPLES:
                self.find("no_term", f"{process.name} wrote {kind} under no term")
            world.coverage.met("entry", kind)
            if kind in ("cycle.read", "cycle.ended") and body.get("read", {}).get("good") and process.view is not None:
                self._remember(process, process.view)  # also of a cycle that is killed before it can end
                reviewing.read(process)
            if kind == "approval":
                self._approved(body["guards"])
                reviewing.approved(world, body)
            if kind == "intent":
                hold = world.holds.get(subject)
                account = world.truth.accounts.get(subject)
                self.announced.setdefault((subject, body["action"]), []).append(
                    Announced(
                        body["id"],
                        process.name,
                        term,
                        body["by"],
                        body["reason"],
                        bool(body.get("approval")),
                        world.paused_since is not None and world.paused_since < process.history_at,
                        hold is not None
                        and hold.since < process.looked_at.get(subject, 0.0)
                        and (hold.until is None or hold.until > world.t + 60.0),
                        account.type if account is not None else None,
                    )
                )
            elif kind == "outcome":
                for known in self.announced.values():
                    known[:] = [one for one in known if one.id != body["intent"]]
                world.coverage.met("outcome", f"{body['action']} {body['outcome']} {body['reason']}".strip())
            elif kind == "handover.access":
                self._access(process, term, subject, body)

    def _access(self, process: Process, term: int, subject: str, body: Mapping[str, Any]) -> None:
        """An account is made active for its handover, or closed again: as an intent and its outcome."""
        opens, id_ = body["step"] == "open", f"{body['intent']}/{body['step']}"
        for operation in ("reactivate", "restore_licence") if opens else ("deactivate",):
            known = self.announced.setdefault((subject, operation), [])
            if body["state"] == "announced":
                known.append(Announced(id_, process.name, term, "handover", "", True, False, False, None))
            elif operation != "restore_licence":
                known[:] = [one for one in known if one.id != id_]
        if not opens:
            known = self.announced.setdefault((subject, "restore_licence"), [])
            known[:] = [one for one in known if one.by != "handover"]

    def _approved(self, guards: Collection[str]) -> None:
        """What somebody accepted by it: another object behind a group's name; a directory that looks older, from the next read
        on; a sum, which begins anew."""
        if "group-replaced" in guards:
            self.group_id = self.world.truth.group_id
        if "directory-stale" in guards:
            self.newest_view = 0.0
        if "max-deactivations-per-day" in guards:
            self.unapproved.clear()
        if "max-deactivations-per-30-days" in guards:
            self.wrong.clear()

    # -------------------------------------------------------------------------------------------------------- a request

    def writing(self, process: Process, zoom_id: str, operation: str) -> None:
        """A request for a change is about to leave."""
        world = self.world
        world.coverage.met("request", operation)
        account = world.truth.accounts.get(zoom_id)
        intents = self.announced.get((zoom_id, operation), [])
        mine = [one for one in intents if one.process == process.name or operation == "restore_licence"]
        if not mine:
            self.find("intent_first", f"{operation} of {zoom_id} without an open intent ({len(intents)} of others)")
            return
        intent = mine[-1]
        if process.term != world.newest_term:
            self.find("older_term", f"{process.name} sends {operation} under term {process.term} of {world.newest_term}")
        if not process.enforce and intent.by == "cycle":
            self.find("report_writes", f"{operation} of {zoom_id} while the mode is report")
        # A licence owed is announced when a look shows the account back, under a pause too, and given once that is over.
        over = operation == "restore_licence" and world.paused_since is None
        if intent.paused and not over and intent.by == "cycle":
            self.find("paused", f"{operation} of {zoom_id} under a pause")
        if intent.held and intent.by == "cycle" and operation != "restore_licence":
            self.find("held", f"{operation} of {zoom_id} although it is on hold")
        if account is None or operation not in ("deactivate", "reactivate"):
            return
        if account.owner is None:
            self.find("protected", f"{operation} of the service account {zoom_id}")
        if intent.by != "cycle":
            self._by_a_person(process, account, intent, operation)
            return
        if (
            any(VIPS in entry.groups and entry.mail.lower() == account.email.lower() for entry in process.view.of(account.owner))
            if process.view is not None
            else False
        ):
            self.find("protected", f"{operation} of {zoom_id}, whose owner is in a protecting group")
        if operation == "deactivate":
            self._deactivating(process, account, intent)
        else:
            self._reactivating(process, account, intent)

    def _by_a_person(self, process: Process, account: Account, intent: Announced, operation: str) -> None:
        if intent.by == "handover":
            handing_over.opening(process, account, operation)
        elif operation == "reactivate":  # whose it is now is what the directory says of its address from here on
            self.linked.pop(account.zoom_id, None)
            self.world.truth.taken_over(account)

    def _deactivating(self, process: Process, account: Account, intent: Announced) -> None:
        world, view = self.world, process.view
        if view is None:
            self.find("blind", f"deactivation of {account.zoom_id} before anything was read")
            return
        rechecked = process.rechecked.get(account.email.lower())
        for shown in (view, rechecked):
            if shown is not None and not intent.approved and (entry := self.shown(shown, account)) is not None:
                self.find(
                    "entitled",
                    f"{account.zoom_id} ({account.email}) of {account.owner} is switched off as "
                    f"{intent.reason}, but {entry} shows them entitled",
                )
                return
        reviewing.deactivating(process, account, is_approved=intent.approved)
        employed = world.truth.works_here(account.owner)
        self.alone.pop(account.zoom_id, None)  # an earlier one may have been refused
        if not intent.approved:
            self.alone[account.zoom_id] = employed
        if employed and not intent.approved and view.group_id != self.group_id and intent.reason == "left_groups":
            self.find("group_replaced", f"{account.zoom_id} of {account.owner} is switched off because the group is another one")
        newly = intent.reason in ("disabled_in_directory", "in_leavers_group")  # counts at once, on whatever copy it is seen
        if (
            employed
            and (shown_at := self._shown_at(view, account)) < self.newest_view - 60.0
            and not intent.approved
            and not newly
            and (self.shown(world.state_at(self.newest_view), account) is not None)
        ):
            self.find(
                "stale_view",
                f"{account.zoom_id} of {account.owner} is switched off by a view of "
                f"{(self.newest_view - shown_at) / HOUR:.1f} h before one that was read already",
            )
        if intent.reason in ("left_groups", "absent_from_directory"):
            self._grace(process, account, intent)

    def _count(self, account: Account) -> None:
        """Of those nobody approved, not more than the limits say, whatever the directory showed."""
        world, limits = self.world, self.world.policy["limits"]
        employed = self.alone.pop(account.zoom_id, None)
        if employed is None:
            return
        self.unapproved.append((world.t, account.zoom_id))
        self._limit("limit_24_hours", self.unapproved, DAY, limits["max_deactivations_per_day"])
        if employed:
            self.wrong.append((world.t, account.zoom_id))
            if world.switched_on("slow_drip"):
                self._limit("limit_30_days", self.wrong, 30 * DAY, limits["max_deactivations_per_30_days"])

    def _limit(self, invariant: str, moments: list[tuple[float, str]], span: float, limit: int) -> None:
        recent = len({zoom_id for at, zoom_id in moments if at > self.world.t - span + CLOCK_TOLERANCE})
        if recent > limit:
            self.find(invariant, f"{recent} were switched off within {span / DAY:g} days without an approval, limit {limit}")

    def _grace(self, process: Process, account: Account, intent: Announced) -> None:
        world = self.world
        grace = process.choices["grace"].total_seconds()
        since, reads = self.gone.get(account.zoom_id, (world.t, 0))
        if world.t - since < grace - CLOCK_TOLERANCE:
            self.find(
                "grace",
                f"{account.zoom_id} is switched off as {intent.reason} after {(world.t - since) / HOUR:.2f} h "
                f"of {grace / HOUR:g}",
            )
        if grace and reads < process.choices["grace_reads"]:
            self.find("grace_reads", f"{account.zoom_id} is switched off in read {reads} of {process.choices['grace_reads']}")

    def _reactivating(self, process: Process, account: Account, intent: Announced) -> None:
        view = process.view
        if (
            view is not None
            and not intent.approved
            and account.zoom_id in self.linked  # else nobody could know whose it is, but by its address
            and not any(entry.entitled(process.now()) for entry in view.of(account.owner))
        ):
            self.find(
                "given_away",
                f"{account.zoom_id} ({account.email}) is reactivated, but its owner {account.owner} is not shown entitled",
            )
        if (
            view is not None
            and not intent.approved
            and self.world.policy["source"] == "file"  # of controllers, one that lags brings few back, and a limit says how many
            and self._shown_at(view, account) < self.newest_view - 60.0
            and self.shown(self.world.state_at(self.newest_view), account) is None
        ):
            self.find("stale_view", f"{account.zoom_id} of {account.owner} is reactivated by an older file than one read before")
        if process.choices["reactivate"] == "never":
            self.find("reactivate_never", f"{account.zoom_id} is reactivated")
        if process.choices["reactivate"] == "ours" and account.zoom_id not in self.ours:
            self.find("not_ours", f"{account.zoom_id} is reactivated, but was switched off by {account.changed_by}")

    def carried_out(self, process: Process, account: Account, *, active: bool) -> None:
        """Zoom does it. A type that somebody changed after the process had looked is nothing that syncd could know of."""
        wanted = ACTIVE if active else INACTIVE
        if account.status == wanted and account.changed_by == "syncd" and account.changed_at < self.world.t - 15.0:
            self.find("twice", f"{account.zoom_id} is made {wanted} a second time")
        if not active:
            handing = handing_over.of(self.world)
            closes = handing is not None and account.zoom_id in handing.opened
            if account.status == ACTIVE and not closes:
                owed = account.taken == LICENSED and account.changed_by == "syncd"  # and never given back: it is owed still
                seen = account.type if account.typed_at <= process.looked_at.get(account.zoom_id, 0.0) else account.other_type
                account.taken, account.taken_at = LICENSED if owed else seen, self.world.t
            if handing is not None and not closes:  # what a handover opened and closes was off all the time
                handing.off_at[account.zoom_id] = self.world.t
            self.ours.add(account.zoom_id)
            self._count(account)

    def shown(self, view: View, account: Account) -> str | None:
        """The owner's entry that a view shows entitled, tied to this account without doubt: by its main address, or because
        an earlier good read tied them."""
        for entry in view.of(account.owner):
            tied = entry.mail.lower() == account.email.lower() or self.linked.get(account.zoom_id) == entry.id
            if tied and entry.entitled(self.world.now):
                return entry.id
        return None

    def _shown_at(self, view: View, account: Account) -> float:
        """From which moment is what a view shows of the owner, or of their not being there."""
        return view.shown_at({*(entry.id for entry in view.of(account.owner)), self.linked.get(account.zoom_id, "")})

    # ---------------------------------------------------------------------------------------------------- a cycle ended

    def told(self, process: Process, event: Event) -> None:
        """What observers are told."""
        if isinstance(event, CycleEnded):
            self.cycles += 1
            self.results[event.result] += 1
            self.world.coverage.met("result", event.result)
            process.last_cycle_at = self.world.t
        action, outcome = getattr(event, "action", ""), getattr(event, "outcome", "")
        if action == "restore_licence" and outcome != "done":
            self.restore_failed.add(getattr(event, "zoom_id", ""))

    def cycle_ended(self, process: Process, report: CycleReport) -> None:
        """The report of a cycle that came to its end."""
        world, plan, view = self.world, report.plan, process.view
        for verdict in report.verdicts:
            if verdict.tripped:
                world.coverage.met("guard", verdict.guard.value)
        if plan is None or view is None:
            return
        for decision in plan.decisions:
            world.coverage.met("reason", decision.reason.value)
            account = world.truth.accounts.get(decision.account.zoom_id or "")
            listed = decision.account.status.value == ACTIVE and account is not None and account.changed_at < process.zoom_read_at
            if account is not None and listed and account.status == ACTIVE:  # a list may lag
                self.ours.discard(account.zoom_id)
        total = sum(plan.counts.values())
        if report.zoom is not None and total != len(report.zoom.accounts):
            self.find("control_totals", f"{total} decisions for {len(report.zoom.accounts)} accounts")
        good = not any(verdict.tripped and verdict.guard.value in READ_GUARDS for verdict in report.verdicts)
        if good:
            self._leavers_are_told(view, report)
        self._nothing_is_forgotten(report)
        reviewing.cycle_ended(process, report)

    def _remember(self, process: Process, view: View) -> None:
        """What a good read showed, by the truth about who owns what. Who looks after nobody remembers nobody."""
        now = self.world.now
        self.group_id = self.group_id or view.group_id
        self.newest_view = max(self.newest_view, view.as_of)
        if reviewing.looks_after_nobody(process):
            return
        by_mail: dict[str, list[Entry]] = {}
        by_alias: dict[str, list[Entry]] = {}
        by_human: dict[str | None, list[Entry]] = {}
        for entry in view.entries.values():
            by_mail.setdefault(entry.mail.lower(), []).append(entry)
            by_human.setdefault(entry.human, []).append(entry)
            for alias in entry.aliases:
                by_alias.setdefault(alias, []).append(entry)
        for account in self.world.truth.accounts.values():
            email = account.email.lower()
            mains = by_mail.get(email, [])
            self._link(view, account, mains)
            unknown = account.zoom_id not in self.linked
            by_main = any(entry.entitled(now) for entry in mains)
            as_alias = not mains and any(entry.entitled(now) for entry in by_alias.get(email, ()))
            claimed = (unknown and (by_main or as_alias)) or self.shown(view, account) is not None
            if claimed or account.status != ACTIVE or account.pending:
                self.gone.pop(account.zoom_id, None)
            elif not any(entry.unclear for entry in by_human.get(account.owner, ())):
                since, reads = self.gone.get(account.zoom_id, (self.world.t, 0))
                self.gone[account.zoom_id] = (since, reads + 1)

    def _link(self, view: View, account: Account, mains: list[Entry]) -> None:
        """Ties an active account to its owner's entry where a good read leaves no doubt: the only entitled one with its main
        address (*mains*: who has that), and, if another one was tied before, the only one at all, unless the other may be there
        unseen. An account that was kept on after its owner left (a hold, a grace) is used by whoever has its address by then. An
        invited one takes no part (contract 3)."""
        if account.status != ACTIVE or account.pending:
            return
        entitled = [entry for entry in mains if entry.entitled(self.world.now)]
        known = self.linked.get(account.zoom_id)
        moves = len(mains) == 1 and (known in view.entries or not view.ghosts)
        if len(entitled) == 1 and moves:
            self.world.truth.taken_over(account)
        if len(entitled) == 1 and entitled[0].human == account.owner and (known is None or moves):
            self.linked[account.zoom_id] = entitled[0].id

    def _leavers_are_told(self, view: View, report: CycleReport) -> None:
        """At every moment a leaver's account is off, on its way, or told of with a reason; never simply in step."""
        now = self.world.now
        assert report.plan is not None
        for decision in report.plan.decisions:
            account = self.world.truth.accounts.get(decision.account.zoom_id or "")
            if (
                account is None
                or account.owner is None
                or account.status != ACTIVE
                or decision.reason.value != "in_step"
                or "address_taken" in decision.notes  # told: kept for whom it is remembered of, though the address is another's
                or decision.account.status.value != ACTIVE
                or self.world.truth.works_here(account.owner)
                or any(entry.entitled(now) or entry.unclear for entry in view.of(account.owner))
                or account.changed_at > self.world.t - 60.0
            ):
                continue
            email = account.email.lower()
            if any(entry.mail.lower() == email and entry.entitled(now) for entry in view.entries.values()):
                continue  # the address is somebody's who works here now, and so is the account
            known = account.zoom_id in self.linked or any(entry.mail.lower() == email for entry in view.of(account.owner))
            claimed = any(email in entry.aliases for entry in view.entries.values() if entry.entitled(now))
            if known or not claimed:
                self.find("leaver_seen", f"{account.zoom_id} ({account.email}) of {account.owner}, who left, is called in step")

    def _nothing_is_forgotten(self, report: CycleReport) -> None:
        """A change that nothing holds is made, or its failure is told, within a few cycles, whatever happens to others."""
        world, plan = self.world, report.plan
        assert plan is not None
        due = {effect.key for effect in plan.effects}
        for key in [known for known in self.due if known not in due]:
            del self.due[key]
        if not world.enforce or report.mode.value != "enforce" or report.result.value in ("interrupted", "failed"):
            return
        if world.blowing("zoom_", "recheck", "directory", "disk", "no_lease") or world.paused_since is not None:
            self.due.clear()
            return
        for effect in plan.effects:
            account = world.truth.accounts.get(effect.account.zoom_id or "")
            outcome = report.outcomes.get(effect.key)
            told = outcome is not None and (outcome.outcome.value == "done" or outcome.reason in _REPORTED)
            if account is None or account.odd or account.refuses or effect.key in report.held or told:
                self.due[effect.key] = 0
                continue
            self.due[effect.key] += 1
            if self.due[effect.key] >= STUCK_AFTER:
                says = f"{outcome.outcome.value} {outcome.reason}" if outcome is not None else "no outcome"
                self.find(
                    "stuck",
                    f"{effect.action.value} of {effect.account.zoom_id} has been due in {STUCK_AFTER} cycles, "
                    f"held by nothing: {says}; {report.why}",
                )

    def still_runs(self) -> None:
        """Asked now and then: somebody ends a cycle at least every interval, or it is known why nobody can."""
        world = self.world
        excused = ("no_lease", "disk_full")
        if world.blowing(*excused) or any(one.frozen_until > world.t for one in world.processes):
            self.excused_until = world.t
        since = max([self.excused_until, *(one.last_cycle_at for one in world.processes)])
        if world.t - since > 2 * world.interval + 2 * HOUR:
            self.find(
                "runs",
                f"nobody has ended a cycle for {(world.t - since) / HOUR:.1f} h, the interval is {world.interval / HOUR:g} h",
            )

    # ------------------------------------------------------------------------------------------------------- the end

    def when_calm(self, report: CycleReport, view: View) -> None:
        """Long after the last trouble everything is as the truth would have it, or a person is told why not."""
        world, now = self.world, self.world.now
        assert report.plan is not None
        decisions = {decision.account.zoom_id: decision for decision in report.plan.decisions}
        for account in world.truth.accounts.values():
            decision = decisions.get(account.zoom_id)
            if decision is None or account.owner is None or account.pending:
                continue
            action, reason = decision.action.value, decision.reason.value
            entries = view.of(account.owner)
            shown = self.shown(view, account)
            if account.status == ACTIVE and not any(one.entitled(now) for one in entries):
                if action == "deactivate" and not account.refuses and decision.key not in report.held:
                    self.find(
                        "leaver_off",
                        f"{account.zoom_id} of {account.owner} is still on, {reason}: {report.outcomes.get(decision.key)}",
                    )
                if reason == "directory_unclear" and account.zoom_id in self.linked and not any(one.unclear for one in entries):
                    self.find(
                        "leaver_off",
                        f"{account.zoom_id} of {account.owner} stays on for ever: {reason}, but it is known "
                        "whose it is, and that person is gone",
                    )
            elif account.status == INACTIVE and shown is not None and account.zoom_id in self.ours:
                if action == "reactivate" and not account.refuses and decision.key not in report.held:
                    self.find(
                        "returner_on", f"{account.zoom_id} of {account.owner} is still off: {report.outcomes.get(decision.key)}"
                    )
                if reason == "in_step":
                    self.find("returner_seen", f"{account.zoom_id} of {account.owner} is off and called in step")
            self._licence_is_back(account)

    def _licence_is_back(self, account: Account) -> None:
        world = self.world
        if (
            account.status == ACTIVE
            and account.taken == LICENSED
            and account.type != LICENSED
            and account.changed_by == "syncd"
            and account.role_id == MEMBER
            and world.truth.works_here(account.owner)
            and not world.seats_ran_out
            and account.zoom_id not in self.restore_failed
            and not account.refuses
            and account.zoom_id not in world.holds
        ):
            self.find("licence_back", f"{account.zoom_id} of {account.owner} is on again without the licence it had")

"""A cycle as a report: what was read and how it is known to be whole, what guards measured, every account, exceptions first.

More than 400 lines: it is a list of tables, each with its columns and what they mean, in the order of the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from syncd.model import (
    EFFECTS,
    Action,
    Contents,
    CycleReport,
    Decision,
    EffectOutcome,
    Inventory,
    OutcomeKind,
    OutcomeReason,
    Reason,
    Result,
    Status,
    licence_word,
    promise_met,
)
from syncd.reports.document import head, tail, witness_word
from syncd.reports.view import Balance, Chart, Column, Fact, Facts, Kind, Row, Table, Tone, Value, View
from syncd.reports.words import RESULTS, RULES, left_out, spread

#: Reasons of somebody whose access has to end: for these time counts against the promise.
LEAVING = frozenset(
    {
        Reason.IN_LEAVERS_GROUP,
        Reason.DISABLED_IN_DIRECTORY,
        Reason.EXPIRED_IN_DIRECTORY,
        Reason.LEFT_GROUPS,
        Reason.ABSENT_FROM_DIRECTORY,
        Reason.WITHIN_GRACE,
        Reason.PROTECTED,
        Reason.REFUSED_BY_ZOOM,
        Reason.REACTIVATED_BY_OTHERS,
        Reason.AMBIGUOUS_MATCH,
    }
)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a report needs beside the cycle. *promise*: in force now; *promise_at*: in force when somebody left, where that is
    recorded. *changed*: keys of the configuration with their values before and after, against
    what the ledger last recorded; None: there is nothing to compare with."""

    promise: timedelta = timedelta(hours=24)
    changed: tuple[tuple[str, str, str], ...] | None = None
    promise_at: Callable[[datetime], timedelta] | None = None

    def promised(self, left: datetime) -> timedelta:
        """What was promised to whoever left then."""
        return self.promise_at(left) if self.promise_at is not None else self.promise


COLUMNS = (
    Column("email", "Account", Kind.STRONG, "The account's address, as Zoom gives it", "Account"),
    Column("display_name", "Name", Kind.TEXT, "The name shown in Zoom", "Account"),
    Column("zoom_id", "Zoom id", Kind.CODE, "Identifies the account for good; an address may change", "Account"),
    Column("action", "Decision", Kind.WORD, "keep, deactivate, reactivate, or manual (only a person can do it)", "Decision", " "),
    Column("reason", "Reason", Kind.WORD, "Why; the rule behind each word stands under Reasons", "Decision"),
    Column("rule", "Rule", Kind.TEXT, "The rule that applied, in words"),
    Column("notes", "Notes", Kind.LIST, "Peculiarities of the match, such as several_claimants", "Decision"),
    Column("directory_id", "Directory id", Kind.CODE, "The person this account was matched to; empty: nobody", "Directory"),
    Column("matched_by", "Matched by", Kind.WORD, "address, or memory of an earlier match", "Directory", lead=" by "),
    Column("group_path", "Groups", Kind.PATH, "From the configured group down to the one the person is in", "Directory"),
    Column("department", "Department", Kind.TEXT, "From the directory", "Directory"),
    Column(
        "changed_at",
        "Changed",
        Kind.MOMENT,
        "The person's last change in the directory, where it tells",
        "Directory",
        label="changed",
    ),
    Column("status", "Before", Kind.WORD, "The account's state as read", "Zoom"),
    Column("status_after", "After", Kind.WORD, "Its state read back after a change; empty: not changed", "Zoom", lead=" → "),
    Column("role", "Role", Kind.TEXT, "The account's role in Zoom", "Zoom"),
    Column("licence", "Licence", Kind.WORD, "Licence type as read", "Zoom", lead=" · "),
    Column("licence_after", "Licence after", Kind.WORD, "Licence type read back after a change", "Zoom", lead=" → "),
    Column("last_login_at", "Last login", Kind.MOMENT, "As Zoom gives it", "Zoom", label="last login"),
    Column(
        "since",
        "First seen gone",
        Kind.MOMENT,
        "First good read that showed the person not entitled",
        "Timing",
        label="first seen gone",
    ),
    Column("due_at", "Due", Kind.MOMENT, "When the grace ends", "Timing", label="due"),
    Column(
        "seen_at",
        "Seen by the watch",
        Kind.MOMENT,
        "When the watch noticed it; empty: a whole cycle did",
        "Timing",
        label="seen by the watch",
    ),
    Column("decided_at", "Decided", Kind.MOMENT, "When this cycle decided"),
    Column("sent_at", "Sent", Kind.MOMENT, "When the change was sent to Zoom", "Timing", label="sent"),
    Column("done_at", "Acted", Kind.MOMENT, "When Zoom accepted the change", "Timing", label="acted"),
    Column("verified_at", "Verified", Kind.MOMENT, "When a later read showed the new state", "Timing", label="verified"),
    Column(
        "promise_met",
        "Promise met",
        Kind.YESNO,
        "Within the promise in force when they left, from Measured from on, as in a period's report; empty: not promised, or "
        "time still runs",
        "Promise",
        label="promise met",
    ),
    Column(
        "delay_hours",
        "Hours to lock-out",
        Kind.HOURS,
        "From Measured from to verified (or acted); empty: not locked out",
        "Promise",
        " after ",
    ),
    Column(
        "measured_from",
        "Measured from",
        Kind.WORD,
        "last_seen_entitled (the worst case), directory_change (a disabled account's own change), or first_seen",
        "Promise",
        label="from",
    ),
    Column("outcome", "Outcome", Kind.WORD, "done, skipped, failed, not_tried; empty: no change was due", "Outcome"),
    Column("outcome_reason", "Why", Kind.TEXT, "Why it ended so; held_by names guards", "Outcome"),
    Column("attempts", "Attempts", Kind.NUMBER, "Writes sent for this account", "Outcome", lead=" · ", label="attempts"),
    Column(
        "witness",
        "Seen by others",
        Kind.WORD,
        "confirmed, waiting (48 h), missing, unknown, unwatched; foreign: somebody else changed it lately",
        "Outcome",
        label="seen by others",
    ),
)

_EXCEPTION = Column(
    "exception",
    "Exception",
    Kind.WORD,
    "manual, held, failed, refused, skipped, not_tried, overdue, promise_missed, owner_changed or address_taken",
    "Decision",
)

#: Reasons for which an account is kept without anything to look at.
_PLAIN = frozenset({Reason.IN_STEP.value, Reason.OUT_OF_SCOPE.value})

#: Notes on an account in step that a person should know of: it went to somebody else, or may be about to.
OWNERSHIP_EXCEPTIONS = ("owner_changed", "address_taken")


def cycle_view(report: CycleReport, omit: tuple[str, ...] = (), circumstances: Circumstances | None = None) -> View:
    """The view of a cycle. *omit*: ``display_name``, ``department``, where the evidence must do without them."""
    return _Cycle(report, omit, circumstances or Circumstances()).view()


def balances_of(report: CycleReport) -> tuple[Balance, ...]:
    """The control totals of a cycle; none when it read nothing."""
    plan, zoom = report.plan, report.zoom
    if plan is None or zoom is None:
        return ()
    number = len(zoom.accounts)
    ended: Counter[str] = Counter()
    for effect in plan.effects:
        tried = report.outcomes.get(effect.key)
        ended["held" if effect.key in report.held else (tried.outcome if tried else OutcomeKind.NOT_TRIED).value] += 1
    return (
        Balance(
            "Every account read has one decision",
            tuple((action.value, plan.counts[action]) for action in Action),
            "accounts read",
            number,
        ),
        Balance(
            "Every account read has one state",
            tuple((status.value, zoom.count(status)) for status in Status),
            "accounts read",
            number,
        ),
        Balance(
            "Every decision has one reason",
            tuple((reason.value, count) for reason, count in plan.reasons.items()),
            "accounts read",
            number,
        ),
        Balance(
            "Every change that was due ended in one way",
            tuple(sorted(ended.items())),
            "changes due",
            plan.counts[Action.DEACTIVATE] + plan.counts[Action.REACTIVATE],
        ),
    )


class _Cycle:
    """Works the view out of one report."""

    def __init__(self, report: CycleReport, omit: tuple[str, ...], circumstances: Circumstances) -> None:
        self._report = report
        self._circumstances = circumstances
        self._decisions = report.told
        self._keep = [place for place, column in enumerate(COLUMNS) if column.key not in left_out(omit)]
        self._columns = tuple(COLUMNS[place] for place in self._keep)
        self._seen = report.look.seen if report.look is not None else {}
        self._exceptions = [(word, decision) for decision in self._decisions if (word := self._exception(decision))]
        self._exceptions.sort(key=lambda pair: pair[0])

    def view(self) -> View:
        report = self._report
        tone, state = RESULTS[report.result]
        zoom = report.zoom.account_id if report.zoom is not None else ""
        main = Table(
            "accounts",
            "Accounts",
            self._columns,
            lambda: map(self._row, self._decisions),
            len(self._decisions),
            "Every account Zoom listed, kept ones too.",
            "No account was read.",
            record="account",
            plain=self._plainly_kept,
        )
        return View(
            title=f"Cycle {report.cycle_id}" + (f" of Zoom account {zoom}" if zoom else ""),
            state=state,
            tone=tone,
            says=tuple(text for text in (report.why, report.do) if text),
            facts=self._facts(),
            balances=balances_of(report),
            charts=self._charts(),
            tables=(
                self._exceptions_table(),
                self._seen_by_others(),
                *self._contents(),
                self._guards(),
                self._approvals(),
                self._groups(),
                self._policy_changes(),
                self._reasons(),
            ),
            main=main,
            record="cycle",
            head={
                **head(report),
                **tail(report),
                "promise_seconds": self._circumstances.promise.total_seconds(),
                "policy_changed": None
                if self._circumstances.changed is None
                else [{"key": key, "before": before, "after": after} for key, before, after in self._circumstances.changed],
            },
            made_at=report.ended_at,
            foot=f"syncd {report.version} · cycle {report.cycle_id} · ledger entry {report.head.seq} {report.head.hash}",
            glossary=tuple((reason.value, rule) for reason, rule in RULES.items()),
        )

    # ------------------------------------------------------------------------------------------------------- the rows

    def _row(self, decision: Decision) -> Row:
        account = decision.account
        effect = decision.action in EFFECTS
        outcome = self._outcome(decision) if effect else None
        held = self._report.held.get(decision.key, ()) if effect else ()
        start, from_ = self._left(decision)
        locked = outcome.verified_at or outcome.done_at if outcome is not None else None
        delay = locked - start if locked is not None and start is not None and decision.action is Action.DEACTIVATE else None
        row: tuple[Value, ...] = (
            account.email,
            account.display_name or None,
            account.zoom_id,
            decision.action.value,
            decision.reason.value,
            RULES[decision.reason],
            decision.notes or None,
            decision.directory_id,
            decision.matched_by,
            decision.group_path or None,
            decision.department or None,
            self._report.changed_at(decision),
            account.status.value,
            outcome.status_after if outcome is not None else None,
            account.role or account.role_id,
            licence_word(account.type),
            outcome.licence_after if outcome is not None else None,
            account.last_login_at,
            decision.since,
            decision.due_at,
            self._seen.get(account.zoom_id or "") if effect else None,
            self._report.plan.made_at if self._report.plan is not None else None,
            *((outcome.sent_at, outcome.done_at, outcome.verified_at) if outcome is not None else (None, None, None)),
            self._met(start, delay),
            round(delay.total_seconds() / 3600, 4) if delay is not None else None,
            from_,
            outcome.outcome.value if outcome is not None else None,
            (outcome.reason or ("held_by " + " ".join(held) if held else None)) if outcome is not None else None,
            outcome.attempts if outcome is not None else None,
            witness_word(self._report, decision),
        )
        return row if len(self._keep) == len(row) else tuple(row[place] for place in self._keep)

    def _outcome(self, decision: Decision) -> EffectOutcome:
        return self._report.outcomes.get(decision.key) or EffectOutcome(OutcomeKind.NOT_TRIED)

    def _left(self, decision: Decision) -> tuple[datetime | None, str | None]:
        """From when on the time counts, and why from then."""
        return self._report.left(decision) if decision.reason in LEAVING else (None, None)

    def _met(self, start: datetime | None, delay: timedelta | None) -> bool | None:
        ended = start + delay if start is not None and delay is not None else None
        return (
            promise_met(start, ended, self._report.ended_at, self._circumstances.promised(start)) if start is not None else None
        )

    def _plainly_kept(self, row: Row) -> bool:
        """In step or out of scope, with nothing to say about it."""
        told = {column.key: value for column, value in zip(self._columns, row, strict=True)}
        return told["action"] == "keep" and told["reason"] in _PLAIN and not told["notes"]

    def _exception(self, decision: Decision) -> str:
        """Why a person should look at this account; empty: no need."""
        if decision.action is Action.MANUAL:
            return "refused" if decision.reason is Reason.REFUSED_BY_ZOOM else "manual"
        start, _ = self._left(decision)
        if decision.action in EFFECTS:
            outcome = self._outcome(decision)
            if decision.key in self._report.held:
                return "held"
            if outcome.outcome is OutcomeKind.FAILED:
                return "refused" if outcome.reason == OutcomeReason.REFUSED_BY_ZOOM else "failed"
            if outcome.outcome is OutcomeKind.SKIPPED:
                return "skipped"
            if outcome.outcome is OutcomeKind.NOT_TRIED and (self._report.outcomes or self._report.result is not Result.PLANNED):
                return "not_tried"
            if outcome.outcome is OutcomeKind.NOT_TRIED and self._met(start, None) is False:
                return "overdue"
            locked = outcome.verified_at or outcome.done_at
            if locked is not None and start is not None and self._met(start, locked - start) is False:
                return "promise_missed"
            return ""
        if self._met(start, None) is False:
            return "overdue"
        return next((note for note in decision.notes if note in OWNERSHIP_EXCEPTIONS), "")

    # ----------------------------------------------------------------------------------------------------- the header

    def _facts(self) -> tuple[Facts, ...]:
        report, plan = self._report, self._report.plan
        counts = plan.counts if plan is not None else dict.fromkeys(Action, 0)
        numbers = Facts(
            "Decisions",
            (
                *(
                    Fact("need manual action" if action is Action.MANUAL else f"to {action.value}", counts[action], Kind.NUMBER)
                    for action in (Action.DEACTIVATE, Action.REACTIVATE, Action.MANUAL, Action.KEEP)
                ),
                Fact("exceptions", len(self._exceptions), Kind.NUMBER, Tone.WARN if self._exceptions else Tone.GOOD),
            ),
            big=True,
        )
        run = Facts(
            "Run",
            (
                Fact("Cycle", report.cycle_id, Kind.CODE),
                Fact("Mode", "enforce: changes are made" if report.mode.value == "enforce" else "report: nothing is changed"),
                Fact("Trigger", report.trigger.value, Kind.WORD),
                Fact("Started", report.started_at, Kind.MOMENT),
                Fact("Ended", report.ended_at, Kind.MOMENT),
                Fact("Version", report.version),
                Fact("Plan", plan.digest if plan is not None else None, Kind.CODE),
                Fact("Configuration", report.policy_digest, Kind.CODE),
                Fact("Changed in it", self._changed_words()),
                Fact("Promise", f"locked out within {_hours(self._circumstances.promise)} of leaving"),
                Fact("Writes sent to Zoom", report.written, Kind.NUMBER),
            ),
        )
        return (
            numbers,
            run,
            *self._sources(),
            Facts(
                "Ledger",
                (Fact("Entry", report.head.seq or None, Kind.NUMBER), Fact("Head", report.head.hash or None, Kind.CODE)),
                "Whoever keeps this head can later show that nothing before it was changed or cut off.",
            ),
        )

    def _changed_words(self) -> str:
        changed = self._circumstances.changed
        if changed is None:
            return "nothing recorded to compare with"
        number = f"{len(changed)} key" if len(changed) == 1 else f"{len(changed)} keys"
        return f"{number}, see Configuration changes" if changed else "nothing since the last recorded cycle"

    def _sources(self) -> Iterator[Facts]:
        directory, zoom = self._report.directory, self._report.zoom
        if directory is not None:
            yield Facts(
                "Source: directory",
                (
                    Fact("Kind", directory.source, Kind.WORD),
                    Fact("Read", directory.read_at, Kind.MOMENT),
                    Fact("People", len(directory.people), Kind.NUMBER),
                    Fact("Entitled", self._report.entitled, Kind.NUMBER),
                    Fact("Members not resolved", len(directory.unresolved), Kind.NUMBER),
                    Fact("People unclear", len(self._report.unclear), Kind.NUMBER),
                    Fact("Clock offset", _offset(directory.clock_offset_seconds)),
                    Fact("Digest", directory.digest, Kind.CODE),
                ),
                "Whole: every page came and every configured group was found. A read that misses any of it is an error, never a "
                "smaller list.",
            )
        if zoom is not None:
            yield Facts(
                "Target: Zoom",
                (
                    Fact("Account", zoom.account_id, Kind.CODE),
                    Fact("Read", zoom.read_at, Kind.MOMENT),
                    Fact("Accounts", len(zoom.accounts), Kind.NUMBER),
                    *(Fact(status.value.title(), zoom.count(status), Kind.NUMBER) for status in Status),
                    Fact("Clock offset", _offset(zoom.clock_offset_seconds)),
                    Fact("Digest", zoom.digest, Kind.CODE),
                ),
                "Whole: three walks (active, inactive, pending) that tie with the totals Zoom gives."
                if directory is not None
                else "Only the accounts named: a change by hand reads no list.",
            )

    # --------------------------------------------------------------------------------------------------------- totals

    def _charts(self) -> tuple[Chart, ...]:
        zoom = self._report.zoom
        if zoom is None or not self._decisions:
            return ()
        done = {one.key for one in self._decisions if one.action in EFFECTS and self._outcome(one).outcome is OutcomeKind.DONE}
        off = sum(action == "deactivate" for _, action in done)
        on = len(done) - off
        after = {Status.ACTIVE: on - off, Status.INACTIVE: off - on, Status.PENDING: 0}
        hours = [
            (at - start).total_seconds() / 3600
            for one in self._decisions
            if one.action is Action.DEACTIVATE
            and (start := self._left(one)[0]) is not None
            and (at := self._outcome(one).verified_at or self._outcome(one).done_at) is not None
        ]
        days = Counter(one.since.date() for one in self._decisions if one.since is not None and one.reason in LEAVING)
        charts = [
            Chart(
                "Accounts by state, after this cycle",
                "as read, with the changes made since",
                "accounts",
                ("accounts",),
                tuple((status.value, (zoom.count(status) + after[status],)) for status in Status),
                (Tone.PLAIN,),
            )
        ]
        if days:
            charts.append(
                Chart(
                    "Leavers by the day they were first seen gone",
                    "those whose access is to end, or ended now",
                    "leavers",
                    ("leavers",),
                    tuple((f"{day:%d %b}", (count,)) for day, count in sorted(days.items())[-31:]),
                    (Tone.WARN,),
                )
            )
        if hours:
            charts.append(
                Chart(
                    "Time from leaving to deactivation",
                    "of the accounts deactivated in this cycle",
                    "accounts",
                    ("accounts",),
                    tuple((word, (count,)) for word, count in spread(hours)),
                    (Tone.GOOD,),
                )
            )
        return tuple(charts)

    # --------------------------------------------------------------------------------------------------------- tables

    def _exceptions_table(self) -> Table:
        def rows() -> Iterator[Row]:
            return ((word, *self._row(decision)) for word, decision in self._exceptions)

        return Table(
            "exceptions",
            "Exceptions",
            (_EXCEPTION, *self._columns),
            rows,
            len(self._exceptions),
            "Accounts a person should look at: manual, held, refused, failed, skipped, not tried, overdue, too late.",
            "None: no account needs a person.",
        )

    def _seen_by_others(self) -> Table:
        columns = (
            Column("zoom_id", "Zoom id", Kind.CODE, "Empty: an account nobody knew any more", "Account"),
            Column("email", "Account", Kind.STRONG, "Its address then", "Account"),
            Column("what", "What", Kind.WORD, "activated, deactivated, deleted or updated", "What"),
            Column("fields", "Touched", Kind.LIST, "What an update changed: type, role, status", "What"),
            Column("at", "At", Kind.MOMENT, "When, as Zoom says", "When"),
            Column("operator", "By", Kind.TEXT, "Who did it, as Zoom says", "Who"),
            Column("source", "Told by", Kind.WORD, "event, or Zoom's operation log", "Who"),
        )
        return _table(
            "seen_by_others",
            "Seen by others",
            columns,
            [
                (one.zoom_id or None, one.email or None, one.what, one.fields or None, one.at, one.operator or None, one.source)
                for one in self._report.foreign
            ],
            "Changes of accounts in scope of the last 48 hours that were not ours. Nothing is decided by them.",
            "None, as far as zoom.events or zoom.operation_log tell.",
        )

    def _contents(self) -> tuple[Table, ...]:
        """What deactivated accounts hold; nothing where no handover is configured."""
        contents = self._report.contents
        if contents is None:
            return ()
        account = (
            Column("email", "Account", Kind.STRONG, "The deactivated account", "Account"),
            Column("zoom_id", "Zoom id", Kind.CODE, "Its id", "Account"),
        )
        holds = (
            Column("licence", "Licence", Kind.WORD, "Before it was deactivated", "Holds"),
            Column("add_ons", "Add-ons", Kind.TEXT, "Before it was deactivated", "Holds"),
            Column("meetings", "Meetings", Kind.NUMBER, "Upcoming; empty: unknown", "Holds", label="meetings"),
            Column("webinars", "Webinars", Kind.NUMBER, "Upcoming; empty: unknown", "Holds", label="webinars"),
            Column("recordings", "Recordings", Kind.NUMBER, "In the cloud; empty: unknown", "Holds", label="recordings"),
            Column("recording_bytes", "Bytes", Kind.NUMBER, "Of recordings; empty: unknown", "Holds", label="bytes"),
            Column("counted_at", "Counted", Kind.MOMENT, "When that was counted; empty: not yet", "Holds", label="counted"),
        )
        waiting = [one for one in contents if one.waits_for_a_receiver]
        return (
            _table(
                "waiting_for_a_receiver",
                "Waiting for a receiver",
                (*account, Column("why", "Why there is none", Kind.TEXT, "Whoever was tried, in order", "Why"), *holds),
                [(one.email, one.zoom_id, one.why_none, *_held(one)) for one in waiting],
                "Deactivated accounts whose meetings and recordings nobody would receive: name a receiver "
                "(handover.receiver.else), or a manager in the directory.",
                "None: everybody's content has a receiver.",
            ),
            _table(
                "contents",
                "What leavers left",
                (
                    *account,
                    Column("stage", "Stage", Kind.WORD, "How far the handover is", "Stage"),
                    Column("reason", "Why kept", Kind.WORD, "Why it stays as it is", "Stage"),
                    Column("due_at", "Due", Kind.MOMENT, "When its retention ends", "Stage", label="due"),
                    Column("receiver", "Receiver", Kind.TEXT, "Who would receive its content", "Receiver"),
                    Column("rule", "By rule", Kind.WORD, "manager, above (a manager's manager) or else", "Receiver", lead=" by "),
                    *holds,
                ),
                [
                    (one.email, one.zoom_id, one.stage, one.reason, one.due_at, one.receiver, one.rule, *_held(one))
                    for one in contents
                ],
                "Deactivated accounts in scope that syncd switched off. Nothing is handed over by a cycle: syncd handover list.",
                "None: no account that syncd switched off is there.",
            ),
        )

    def _guards(self) -> Table:
        columns = (
            Column("guard", "Guard", Kind.STRONG, "What looks at the plan and the reads", "Guard"),
            Column("verdict", "Verdict", Kind.WORD, "tripped or passed", "Verdict"),
            Column("measured", "Measured", Kind.NUMBER, "What it measured", "Measured"),
            Column("limit", "Limit", Kind.NUMBER, "Beyond which it trips", "Limit"),
            Column("unit", "Unit", Kind.TEXT, "Of both", "Limit"),
            Column("says", "Finding", Kind.TEXT, "In words", "Finding"),
            Column("do", "What to do", Kind.TEXT, "When it tripped", "Finding"),
        )
        verdicts = sorted(self._report.verdicts, key=lambda one: not one.tripped)
        return _table(
            "guards",
            "Guards",
            columns,
            [
                (
                    one.guard.value,
                    "tripped" if one.tripped else "passed",
                    one.measured,
                    one.limit,
                    one.unit,
                    one.says,
                    one.do if one.tripped else None,
                )
                for one in verdicts
            ],
            "Every guard looks in every cycle, in either mode.",
            "No guard looked: nothing was read.",
        )

    def _approvals(self) -> Table:
        columns = (
            Column("by", "By", Kind.STRONG, "Who let a held plan pass", "Who"),
            Column("at", "At", Kind.MOMENT, "When", "When"),
            Column("expires_at", "Until", Kind.MOMENT, "It expires", "When"),
            Column("guards", "Guards", Kind.LIST, "Which it may pass", "What"),
            Column("changes", "Changes", Kind.NUMBER, "How many effects were reviewed", "What"),
            Column("because", "Why", Kind.TEXT, "As given", "Why"),
            Column("plan", "Plan", Kind.CODE, "The plan that was reviewed", "Plan"),
            Column("id", "Approval", Kind.CODE, "Its id in the ledger", "Plan"),
        )
        return _table(
            "approvals",
            "Approvals used",
            columns,
            [
                (
                    one.by,
                    one.at,
                    one.expires_at,
                    tuple(guard.value for guard in one.guards),
                    len(one.effects),
                    one.because,
                    one.plan_digest,
                    one.id,
                )
                for one in self._report.approvals
            ],
            "",
            "None was needed.",
        )

    def _groups(self) -> Table:
        columns = (
            Column("name", "Group", Kind.STRONG, "As configured", "Group"),
            Column("use", "Use", Kind.WORD, "entitling, leavers or protecting", "Use"),
            Column("members", "Members", Kind.NUMBER, "People in it, nested groups included", "Members"),
            Column("id", "Id", Kind.CODE, "In the directory", "Id"),
        )
        groups = self._report.directory.groups if self._report.directory is not None else ()
        return _table(
            "groups",
            "Directory groups",
            columns,
            [(group.name, group.use.value, group.members, group.id) for group in groups],
            "",
            "None.",
        )

    def _policy_changes(self) -> Table:
        columns = (
            Column("key", "Key", Kind.STRONG, "Where it stands in the configuration", "Key"),
            Column("before", "Before", Kind.TEXT, "The value last recorded", "Before"),
            Column("after", "After", Kind.TEXT, "The value of this cycle", "After"),
        )
        return _table(
            "policy_changes",
            "Configuration changes",
            columns,
            list(self._circumstances.changed or ()),
            "Of the part of the configuration that decides who is changed.",
            f"{self._changed_words().capitalize()}.",
        )

    def _reasons(self) -> Table:
        columns = (
            Column("reason", "Reason", Kind.STRONG, "The word in the accounts table", "Reason"),
            Column("accounts", "Accounts", Kind.NUMBER, "How many", "Accounts"),
            Column("rule", "Rule", Kind.TEXT, "What it means", "Rule"),
        )
        reasons = self._report.plan.reasons if self._report.plan is not None else {}
        return _table(
            "reasons",
            "Reasons",
            columns,
            [(reason.value, count, RULES[reason]) for reason, count in reasons.items()],
            "",
            "None.",
        )


def _held(one: Contents) -> tuple[Value, ...]:
    """What an account held; None for what is unknown, which is never 0."""
    held = one.inventory or Inventory()
    return (held.licence, held.add_ons, held.meetings, held.webinars, held.recordings, held.recording_bytes, one.counted_at)


def _table(key: str, title: str, columns: tuple[Column, ...], rows: list[Row], says: str, none: str) -> Table:
    made: Callable[[], Iterator[Row]] = rows.__iter__
    return Table(key, title, columns, made, len(rows), says, none)


def _hours(time: timedelta) -> str:
    hours = time.total_seconds() / 3600
    return f"{hours:g} h"


def _offset(seconds: float | None) -> str | None:
    return None if seconds is None else f"{seconds:+.1f} s"

"""A period as a report: everybody who left with the whole story, late ones and gaps first, then what people decided.

Works from the period's document (``syncd.period/1``, plain JSON values, see ``evidence.periods``), so a document that was kept
can be rendered again without the ledger.

More than 400 lines: it is a list of tables, each with its columns and what they mean, in the order of the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from syncd.model import OutcomeKind, Reason
from syncd.reports import handovers
from syncd.reports.view import Balance, Chart, Column, Fact, Facts, Kind, Row, Table, Tone, Value, View
from syncd.reports.words import RULES, lasting, left_out, spread

#: What became of a leaver, for readers.
STATES = {
    "deactivated": "syncd deactivated the account and recorded it as done",
    "deactivated_by_others": "it was found inactive, which syncd did not do",
    "gone_from_zoom": "the account is no longer among Zoom's accounts",
    "put_back": "syncd deactivated the account, and a person had it put back: undo or by hand",
    "entitled_again": "the person was entitled again before the account was deactivated",
    "exempt": "the account came under an exemption",
    "on_hold": "somebody put the account on hold",
    "within_grace": "gone from the directory, the grace is still running",
    "due": "past the grace and not deactivated",
    "manual": "only a person can do it: see the reason",
    "not_in_pilot": "not among the accounts of the pilot, so nothing is done",
    "left_alone": "not among the accounts syncd may change: see the reason",
}

COLUMNS = (
    Column("email", "Account", Kind.STRONG, "The account's address; empty once names are no longer kept", "Account"),
    Column("display_name", "Name", Kind.TEXT, "The name shown in Zoom", "Account"),
    Column("zoom_id", "Zoom id", Kind.CODE, "Identifies the account for good", "Account"),
    Column("state", "State", Kind.WORD, "What became of it, as the ledger's end shows; see the words below", "State"),
    Column(
        "reason",
        "Reason",
        Kind.WORD,
        "Why the person was no longer entitled; empty: not judged, for the account was off already",
        "State",
    ),
    Column("rule", "Rule", Kind.TEXT, "The rule behind the reason, in words"),
    Column("directory_id", "Directory id", Kind.CODE, "The person this account was matched to; empty: nobody", "Directory"),
    Column("matched_by", "Matched by", Kind.WORD, "address, or memory of an earlier match", "Directory", " by "),
    Column("group_path", "Groups", Kind.PATH, "The groups the person was entitled by, or stands in now", "Directory"),
    Column("department", "Department", Kind.TEXT, "From the directory", "Directory"),
    Column("status_before", "Before", Kind.WORD, "The account's state before the change", "Zoom"),
    Column("status_after", "After", Kind.WORD, "Its state read back after the change", "Zoom", " → "),
    Column("role", "Role", Kind.TEXT, "The account's role in Zoom", "Zoom"),
    Column("licence", "Licence", Kind.WORD, "Licence type before the change", "Zoom", " · "),
    Column("licence_after", "Licence after", Kind.WORD, "Licence type read back after the change", "Zoom", " → "),
    Column("last_login_at", "Last login", Kind.MOMENT, "As Zoom gave it right before the change", "Zoom", label="last login"),
    Column(
        "last_entitled_at",
        "Last seen entitled",
        Kind.MOMENT,
        "The good read before, if it showed the person entitled",
        "Timing",
        label="last entitled",
    ),
    Column(
        "changed_at", "Changed", Kind.MOMENT, "The person's change in the directory, where it tells", "Timing", label="changed"
    ),
    Column(
        "first_seen_at",
        "First seen gone",
        Kind.MOMENT,
        "The first good read that showed the person not entitled",
        "Timing",
        label="first seen gone",
    ),
    Column("due_at", "Due", Kind.MOMENT, "When the grace ended", "Timing", label="due"),
    Column("decided_at", "Decided", Kind.MOMENT, "When the deactivation was first decided"),
    Column("acted_at", "Acted", Kind.MOMENT, "When Zoom accepted the change", "Timing", label="acted"),
    Column("verified_at", "Verified", Kind.MOMENT, "When a later read showed the account inactive", "Timing", label="verified"),
    Column("ended_at", "Ended", Kind.MOMENT, "When nothing more was to be done, whoever did it"),
    Column(
        "promise_met",
        "Promise met",
        Kind.YESNO,
        "Within the promise in force then; empty: not promised, or time still runs",
        "Promise",
        label="promise met",
    ),
    Column(
        "late_by", "Late by", Kind.WORD, "window: only because schedule.windows denied it for so long", "Promise", label="late by"
    ),
    Column(
        "promise_hours", "Hours promised", Kind.HOURS, "The promise in force when the person left", "Promise", label="promised"
    ),
    Column(
        "lockout_seconds",
        "Seconds to lock-out",
        Kind.NUMBER,
        "From the change in the directory, where it tells, to verified deactivated",
        "Timing",
        label="seconds to lock-out",
    ),
    Column("delay_hours", "Hours to lock-out", Kind.HOURS, "From measured_from to locked out", "Promise", " after "),
    Column(
        "measured_from",
        "Measured from",
        Kind.WORD,
        "last_seen_entitled (the worst case), directory_change, or first_seen",
        "Promise",
        label="from",
    ),
    Column("outcome", "Outcome", Kind.WORD, "Of the last try: done, skipped, failed, not_tried", "Outcome"),
    Column("outcome_reason", "Why", Kind.TEXT, "Why it ended so", "Outcome"),
    Column("attempts", "Tries", Kind.NUMBER, "How often a deactivation was tried"),
    Column("by", "By", Kind.WORD, "cycle, hand or undo", "Outcome", label="by"),
    Column("asked_by", "Asked by", Kind.TEXT, "Who asked for a change by hand", "Outcome", label="asked by"),
    Column("asked_because", "Asked because", Kind.TEXT, "Why, as given", "Outcome"),
    Column(
        "witness",
        "Seen by others",
        Kind.WORD,
        "Of the deactivation: confirmed, waiting (48 h), missing, unknown or unwatched",
        "Outcome",
        label="seen by others",
    ),
    Column("held_by", "Held by", Kind.LIST, "Guards that tripped while the deactivation was due", "Outcome", label="held by"),
    Column("approved_by", "Approved by", Kind.TEXT, "Who let it pass those guards", "Outcome", label="approved by"),
    Column("approved_because", "Approved because", Kind.TEXT, "Why, as given", "Outcome"),
    Column("approval", "Approval", Kind.CODE, "The approval's id"),
    Column("cycle", "Cycle", Kind.CODE, "The cycle that did it, or tried last"),
    Column("first_entry", "First entry", Kind.NUMBER, "Where the story begins in the ledger", "Account", label="ledger entry"),
)

#: Leavers who can still log in, but for those whose grace runs: somebody has to look.
_OPEN = frozenset({"due", "manual", "put_back", "on_hold", "exempt", "not_in_pilot", "left_alone"})

_LICENCE = re.compile(r", licence [^,]*")

_MOMENTS = frozenset(column.key for column in COLUMNS if column.kind is Kind.MOMENT)


def period_view(document: Mapping[str, Any], omit: tuple[str, ...] = ()) -> View:
    """The view of a period's document. *omit*: as ``reports.omit_columns``."""
    return _Period(document, omit).view()


def without(document: Mapping[str, Any], omit: tuple[str, ...]) -> dict[str, Any]:
    """The document without personal columns that the evidence must do without."""
    gone = left_out(omit)
    return {
        **document,
        "leavers": [
            {key: _events(value, gone) if key == "events" else value for key, value in row.items() if key not in gone}
            for row in document["leavers"]
        ],
    }


def _events(events: Sequence[Mapping[str, Any]], gone: frozenset[str]) -> list[Mapping[str, Any]]:
    """The story without what stands in a column that is left out."""
    return [{**one, "says": _LICENCE.sub("", one["says"])} if "licence" in gone else one for one in events]


class _Period:
    def __init__(self, document: Mapping[str, Any], omit: tuple[str, ...]) -> None:
        self._doc = document
        self._columns = tuple(column for column in COLUMNS if column.key not in left_out(omit))
        self._leavers: Sequence[Mapping[str, Any]] = without(document, omit)["leavers"]
        self._late = [row for row in self._leavers if row["promise_met"] is False]
        self._open = [
            row for row in self._leavers if row["state"] in _OPEN or row["outcome"] in (OutcomeKind.FAILED, OutcomeKind.SKIPPED)
        ]
        self._of = " in the sample" if document["sample"] is not None else ""
        self._stories = {(row["zoom_id"], row["first_entry"]): row["events"] for row in self._leavers}

    def view(self) -> View:
        doc, ledger, period = self._doc, self._doc["ledger"], self._doc["period"]
        tone, state = self._state()
        sample = doc["sample"]
        story_at = (self._place("zoom_id"), self._place("first_entry"))
        title = "Leavers looked at closely" if sample else "Leavers"
        main = Table(
            "leavers",
            title,
            self._columns,
            lambda: map(self._row, self._leavers),
            len(self._leavers),
            "Everybody who left in the period or was on the way out when it began, told to the end of the ledger.",
            "Nobody left in this period.",
            record="leaver",
            story=lambda row: [
                (event["at"], f"{event['says']} (entry {event['entry']})")
                for event in self._stories[row[story_at[0]], row[story_at[1]]]
            ],
        )
        zone = period.get("timezone", "UTC")
        days = _many(period["days"], "day")
        says = [f"{period['from']} to {period['to']}, both days included, in {zone} ({days}). All times are UTC."]
        if self._doc.get("making"):
            says.append(self._made_how())
        if sample:
            says.append(
                f"A sample of {sample['chosen']} out of {sample['of']} leavers, seed {sample['seed']}: {sample['method']}."
            )
        return View(
            title=f"Evidence {period['from']} to {period['to']}, Zoom account {ledger.get('zoom_account') or 'unknown'}",
            state=state,
            tone=tone,
            says=tuple(says),
            facts=self._facts(),
            balances=tuple(
                Balance(one["says"], tuple(one["parts"].items()), one["whole"], one["number"]) for one in doc["balances"]
            ),
            charts=self._charts(),
            tables=(
                self._exceptions("late", "Late" + self._of, self._late, "The promise was not kept.", self._none_late()),
                self._exceptions(
                    "open",
                    "Not done" + self._of,
                    self._open,
                    "Manual, failed, skipped, put back or still due; whoever is late stands above too.",
                    "None.",
                ),
                self._kept(),
                self._gaps(),
                self._missing(),
                self._approvals(),
                self._overrides(),
                self._seen_by_others(),
                *((self._handovers(),) if "handovers" in self._doc else ()),
                self._changes(),
                self._guards(),
                self._in_force(),
                self._reviews(),
                *((self._sample_of_kept(),) if self._doc.get("kept_sample") is not None else ()),
                *((self._compared(),) if self._doc.get("compared") is not None else ()),
                self._words(),
            ),
            main=main,
            record="period",
            head={key: value for key, value in doc.items() if key not in _ROWS},
            made_at=_moment(ledger["last_at"]) or _moment(period["starts_at"]) or datetime.min.replace(tzinfo=UTC),
            foot=(f"report {doc['report_id']} · " if doc.get("report_id") else "")
            + (f"syncd · ledger {ledger.get('ledger_id')} · entry {ledger['head_sequence']} {ledger['head_hash']}"),
            glossary=(*STATES.items(), *((reason.value, rule) for reason, rule in RULES.items())),
            pages=sample is not None,
        )

    def _state(self) -> tuple[Tone, str]:
        """Coverage first: what nobody looked at cannot be none late."""
        totals, gaps, coverage = self._doc["totals"], self._doc["gaps"], self._doc.get("coverage")
        leavers = _many(totals["leavers"], "leaver")
        if coverage is not None and not coverage["good_cycles"]:
            return Tone.BAD, f"No evidence for this period: no good cycle in it; {leavers} known from before or after"
        rests = (
            ""
            if coverage is None or coverage["days_with_good_cycles"] == coverage["days"]
            else (f"Evidence for {coverage['days_with_good_cycles']} of {coverage['days']} days: ")
        )
        more = f", {totals['still_access']} still have access" if totals.get("still_access") else ""
        by = ", ".join(f"{count} {why.replace('_', ' ')}" for why, count in (totals.get("still_access_by") or {}).items())
        more += f" ({by})" if by else ""
        detected = coverage["days_detected_only"] if coverage is not None else 0
        more += f", detected only on {_many(detected, 'day')} (mode: report)" if detected else ""
        if totals["promise_missed"]:
            window = f" ({totals['late_by_window']} by window)" if totals.get("late_by_window") else ""
            lost = ", entries were lost" if totals.get("entries_lost") else ""
            return Tone.BAD, f"{rests}{leavers}, {totals['promise_missed']} later than promised{window}{lost}{more}"
        if totals.get("entries_lost"):
            return Tone.BAD, f"{rests}{leavers}, none late as far as the ledger still knows: entries were lost{more}"
        if gaps or rests:
            return Tone.WARN, f"{rests}{leavers}, none late as far as it reaches, {_many(len(gaps), 'gap')} in the record{more}"
        return Tone.WARN if detected else Tone.GOOD, f"{leavers}, none late, no gap in the record{more}"

    def _none_late(self) -> str:
        """Never more than is known."""
        coverage, totals = self._doc.get("coverage"), self._doc["totals"]
        if coverage is not None and not coverage["good_cycles"]:
            return "Nobody knows: there is no evidence for this period."
        none = (
            "None: every promise was kept"
            if not totals["promise_open"]
            else (f"None; for {totals['promise_open']} nothing was promised, or the time still runs")
        )
        return none + (", as far as the record reaches." if self._doc["gaps"] or totals.get("entries_lost") else ".")

    def _made_how(self) -> str:
        making = self._doc["making"]
        words = " ".join(
            f"--{name} {value}" for name, value in making["parameters"].items() if value is not None and name != "compare"
        )
        listed = making["parameters"].get("compare")
        words += f" --compare with the file of SHA-256 {listed}" if listed else ""
        again = f" Whoever makes it again gets the digest {self._doc['digest']}." if self._doc.get("digest") else ""
        return (
            f"Report {self._doc['report_id']}, made by {making['by']} on {making['host']} with syncd {making['version']}: "
            f"{making['command']} {words}; configuration {making['configuration'] or 'none (from an export)'}.{again}"
        )

    def _place(self, key: str) -> int:
        return next(place for place, column in enumerate(self._columns) if column.key == key)

    def _row(self, leaver: Mapping[str, Any]) -> Row:
        return [self._value(leaver, column) for column in self._columns]

    def _value(self, leaver: Mapping[str, Any], column: Column) -> Value:
        if column.key in ("delay_hours", "promise_hours"):
            seconds = leaver.get(column.key.replace("hours", "seconds"))
            return None if seconds is None else round(seconds / 3600, 4)
        if column.key == "rule":
            return RULES[Reason(leaver["reason"])] if leaver["reason"] in list(Reason) else None
        value = leaver.get(column.key)  # a document made earlier may lack the newest columns
        if column.key in _MOMENTS:
            return _moment(value)
        return tuple(value) or None if isinstance(value, list) else value

    # ----------------------------------------------------------------------------------------------------- the header

    def _facts(self) -> tuple[Facts, ...]:
        doc, ledger, totals, settings = self._doc, self._doc["ledger"], self._doc["totals"], self._doc["settings"]
        numbers = Facts(
            "Leavers",
            (
                Fact("leavers", totals["leavers"], Kind.NUMBER),
                Fact("locked out in time", totals["promise_met"], Kind.NUMBER),
                Fact("too late", totals["promise_missed"], Kind.NUMBER, Tone.BAD if totals["promise_missed"] else Tone.GOOD),
                Fact("not promised or not over yet", totals["promise_open"], Kind.NUMBER),
                *(
                    (
                        Fact(
                            "still have access",
                            totals["still_access"],
                            Kind.NUMBER,
                            Tone.WARN if totals["still_access"] else Tone.GOOD,
                        ),
                    )
                    if "still_access" in totals
                    else ()
                ),
                Fact("gaps", len(doc["gaps"]), Kind.NUMBER, Tone.WARN if doc["gaps"] else Tone.GOOD),
                Fact("approvals and overrides", len(doc["approvals"]) + len(doc["overrides"]), Kind.NUMBER),
            ),
            big=True,
        )
        scope = Facts(
            "Period",
            (
                Fact("First day", doc["period"]["from"]),
                Fact("Last day, included", doc["period"]["to"]),
                Fact("The ledger covers it until", _moment(doc["covered_until"]), Kind.MOMENT),
                Fact("Promise", f"locked out within {settings['promise_seconds'] / 3600:g} h of leaving"),
                Fact("Schedule", settings["schedule"]),
                Fact("Accounts at the last read", totals["accounts"], Kind.NUMBER),
            ),
            (
                "Promise and schedule as the ledger recorded them, at the period's end; changes stand below, and each leaver is "
                "judged by what was in force then."
                if settings.get("recorded")
                else "The ledger does not record promise and schedule: "
                + (
                    "they are those of the configuration this report was made with."
                    if doc.get("making", {}).get("configuration")
                    else "they are what syncd takes when nothing is known, and may not be this company's; gaps and lateness are "
                    "measured by them."
                )
            )
            + " Time counts from the latest moment at which the person was surely still entitled.",
        )
        cycles = Facts(
            "Cycles",
            (
                Fact("Cycles", totals["cycles"], Kind.NUMBER),
                *((Fact("Looks of the watch with a change", totals["looks"], Kind.NUMBER),) if totals.get("looks") else ()),
                *(Fact(f"Mode {word}", count, Kind.NUMBER) for word, count in totals["modes"].items()),
                *(Fact(word.replace("_", " ").capitalize(), count, Kind.NUMBER) for word, count in totals["results"].items()),
                Fact("Deactivated", totals["deactivated"], Kind.NUMBER),
                Fact("Reactivated", totals["reactivated"], Kind.NUMBER),
                Fact("Failed", totals["failed"], Kind.NUMBER),
                Fact("Skipped", totals["skipped"], Kind.NUMBER),
                Fact("Licences released", totals["licences_released"], Kind.NUMBER),
            ),
        )
        return (
            *self._covered(),
            numbers,
            *self._lockout(),
            scope,
            cycles,
            Facts(
                "Ledger",
                (
                    Fact("Ledger", ledger.get("ledger_id"), Kind.CODE),
                    Fact("Zoom account", ledger.get("zoom_account"), Kind.CODE),
                    Fact("Directory", ledger.get("directory"), Kind.CODE),
                    Fact("Entries", ledger["entries"], Kind.NUMBER),
                    Fact("First entry", _moment(ledger["first_at"]), Kind.MOMENT),
                    Fact("Last entry", _moment(ledger["last_at"]), Kind.MOMENT),
                    Fact("Head", ledger["head_hash"] or None, Kind.CODE),
                ),
                "The chain was verified from its first entry to this head while the report was made. Entries that only record "
                "that a report was made are not counted, so that it can be made again; ledger verify counts them. That its "
                "tail was not cut off shows only against a head kept elsewhere: syncd ledger verify --head HASH.",
            ),
        )

    def _lockout(self) -> tuple[Facts, ...]:
        """How long leavers kept access, and who kept it longest."""
        found = self._doc.get("lockout")
        if found is None or not found["measured"]:  # a document of an earlier version, or nothing to tell
            return ()
        worst = found["worst"]
        return (
            Facts(
                "Lock-out",
                (
                    *(Fact(f"{share} of 100 within", lasting(found[f"p{share}_seconds"])) for share in (50, 95, 99)),
                    Fact("Longest", lasting(found["worst_seconds"])),
                    Fact("Who", worst["email"] or worst["zoom_id"], Kind.STRONG),
                    Fact("Measured", found["measured"], Kind.NUMBER),
                    Fact("Locked out by syncd", found["locked_out"], Kind.NUMBER),
                ),
                "From the change in the directory, where it tells when that was, to verified deactivated at Zoom; graces and "
                "holds are in it.",
            ),
        )

    def _covered(self) -> tuple[Facts, ...]:
        coverage = self._doc.get("coverage")
        if coverage is None:  # a document of an earlier version
            return ()
        good, days, only = coverage["days_with_good_cycles"], coverage["days"], coverage["days_detected_only"]
        tone = Tone.BAD if not good else Tone.WARN if good < days else Tone.GOOD
        return (
            Facts(
                "Coverage",
                (
                    Fact("days with a good cycle", good, Kind.NUMBER, tone),
                    Fact("days of the period", days, Kind.NUMBER),
                    Fact("good cycles", coverage["good_cycles"], Kind.NUMBER),
                    Fact("cycles", coverage["cycles"], Kind.NUMBER),
                    Fact("days on which leavers were detected only", only, Kind.NUMBER, Tone.WARN if only else Tone.GOOD),
                ),
                "Whatever follows is known for these days only." if good < days else "",
                big=True,
            ),
        )

    def _in_force(self) -> Table:
        columns = (
            Column("since", "Since", Kind.MOMENT, "The first cycle under it", "Since"),
            Column("promise_hours", "Hours promised", Kind.HOURS, "From leaving to locked out", "Hours promised"),
            Column("schedule", "Schedule", Kind.TEXT, "When cycles were to run", "Schedule"),
            Column("windows", "Windows", Kind.LIST, "When changes were allowed or denied", "Schedule", label="windows"),
            Column("keep_days", "Reports kept", Kind.NUMBER, "Days", "Kept for days"),
            Column("keep_personal_days", "Names kept", Kind.NUMBER, "Days", "Kept for days", label="names"),
            Column("approvals_required", "Approvals required", Kind.NUMBER, "How many people", "Approvals"),
            Column("approvers", "Approvers", Kind.LIST, "Who could approve; empty: anybody", "Approvals", label="of"),
            Column(
                "signed",
                "Signed",
                Kind.WORD,
                "Whether approvals had to be signed: required or not_required",
                "Approvals",
                label="signature",
            ),
            Column("entry", "Entry", Kind.NUMBER, "In the ledger", "Entry"),
        )
        rows: list[Row] = []
        for one in self._doc.get("in_force", ()):
            values = one["values"]
            interval = values.get("schedule.interval")
            schedule = (
                f"every {interval / 60:g} min"
                if interval
                else (f"cron {values.get('schedule.cron')} ({values.get('schedule.timezone')})")
            )
            rows.append(
                (
                    _moment(one["since"]),
                    round(values["reports.promise"] / 3600, 4),
                    schedule,
                    tuple(map(_window, values.get("schedule.windows") or ())) or None,
                    *(_days(values.get(key)) for key in ("reports.keep", "ledger.keep_personal")),
                    values.get("approvals.required"),
                    tuple(values.get("approvals.approvers") or ()) or None,
                    "required" if values.get("approvals.signers_file") else "not_required",
                    one["entry"],
                )
            )
        says = "What the ledger recorded as in force in the period. Whoever makes a report cannot choose it."
        return _table(
            "in_force", "In force", columns, rows, says, "The ledger recorded nothing: it is of an earlier version.", "in_force"
        )

    def _reviews(self) -> Table:
        columns = (
            Column("by", "By", Kind.STRONG, "Who looked", "Who"),
            Column("at", "At", Kind.MOMENT, "When", "When"),
            Column("of", "Of", Kind.TEXT, "Which month or cycle", "Of"),
            Column("note", "Note", Kind.TEXT, "As given", "Note"),
            Column("entry", "Entry", Kind.NUMBER, "In the ledger", "Entry"),
        )
        rows: list[Row] = [
            (one["by"], _moment(one["at"]), one["of"], one["note"], one["entry"]) for one in self._doc.get("reviews", ())
        ]
        return _table(
            "reviews",
            "Reviews",
            columns,
            rows,
            "Who said that they looked: syncd review.",
            "Nobody said that they looked at this period.",
            "review",
        )

    def _sample_of_kept(self) -> Table:
        columns = (
            Column("email", "Account", Kind.STRONG, "The account's address", "Account"),
            Column("zoom_id", "Zoom id", Kind.CODE, "Identifies the account for good", "Account"),
            Column("reason", "Reason", Kind.WORD, "Why it was kept, as last decided", "Reason"),
            Column("status", "Status", Kind.WORD, "As last read", "Reason", " "),
            Column("directory_id", "Directory id", Kind.CODE, "The person this account was matched to", "Directory"),
            Column("matched_by", "Matched by", Kind.WORD, "address, or memory of an earlier match", "Directory", " by "),
            Column("group_path", "Groups", Kind.PATH, "The groups the person is entitled by", "Directory"),
            Column("decided_at", "Decided", Kind.MOMENT, "When the decision changed last", "When"),
            Column("entry", "Entry", Kind.NUMBER, "In the ledger", "Entry"),
        )
        found = self._doc.get("kept_sample") or {"of": 0, "rows": ()}
        rows: list[Row] = [
            (
                one["email"],
                one["zoom_id"],
                one["reason"],
                one["status"],
                one["directory_id"],
                one["matched_by"],
                tuple(one["group_path"] or ()) or None,
                _moment(one["decided_at"]),
                one["entry"],
            )
            for one in found["rows"]
        ]
        says = (
            f"{len(rows)} of {found['of']} accounts that were kept at the period's end, picked as the leavers are: was each "
            "of them rightly kept?"
        )
        return _table("kept_sample", "Kept accounts looked at closely", columns, rows, says, "None.", "kept_sample")

    def _compared(self) -> Table:
        columns = (
            Column("address", "Address", Kind.STRONG, "As the other list or the ledger has it", "Address"),
            Column(
                "stands_in", "Stands in", Kind.WORD, "both, only_there (the other list), only_here (this report)", "Stands in"
            ),
            Column("left_at", "Left", Kind.TEXT, "As the other list says", "Left"),
            Column("first_seen_at", "First seen gone", Kind.MOMENT, "Here, in another month too", "First seen gone"),
            Column("state", "State", Kind.WORD, "What became of it here; empty: not treated as leaving here", "State"),
            Column(
                "account",
                "Account",
                Kind.TEXT,
                "Of whoever is not treated as leaving here: its status and the reason of its last decision in the period; none "
                "known: no account has this address, or its name is no longer kept",
                "State",
            ),
        )
        rows: list[Row] = [
            (one["address"], one["stands_in"], one["left_at"], _moment(one["first_seen_at"]), one["state"], one.get("account"))
            for one in self._doc.get("compared") or ()
        ]
        return _table(
            "compared",
            "Compared with another list",
            columns,
            rows,
            "Leavers of another system beside those told here; what stands in one only comes first.",
            "None.",
            "compared",
        )

    def _charts(self) -> tuple[Chart, ...]:
        days = self._doc["days"]
        hours = [row["delay_seconds"] / 3600 for row in self._leavers if row["delay_seconds"] is not None]
        charts = []
        if any(day["deactivated"] for day in days):
            charts.append(
                Chart(
                    "Deactivations per day",
                    "carried out and recorded as done",
                    "deactivations",
                    ("deactivations",),
                    tuple((day["day"][5:], (day["deactivated"],)) for day in days),
                    (Tone.PLAIN,),
                )
            )
        if hours:
            charts.append(
                Chart(
                    "Time from leaving to lock-out",
                    "of the leavers who lost access" + self._of,
                    "leavers",
                    ("leavers",),
                    tuple((word, (count,)) for word, count in spread(hours)),
                    (Tone.GOOD,),
                )
            )
        read = [day for day in days if "active" in day]
        if read:
            charts.append(
                Chart(
                    "Accounts by state",
                    "at the last whole read of each day",
                    "accounts",
                    ("active", "inactive", "pending"),
                    tuple((day["day"][5:], (day["active"], day["inactive"], day["pending"])) for day in read),
                    (Tone.PLAIN, Tone.WARN, Tone.GOOD),
                )
            )
        return tuple(charts)

    # --------------------------------------------------------------------------------------------------------- tables

    def _exceptions(self, key: str, title: str, rows: list[Mapping[str, Any]], says: str, none: str) -> Table:
        return Table(key, title, self._columns, lambda: map(self._row, rows), len(rows), says, none)

    def _gaps(self) -> Table:
        columns = (
            Column("from", "From", Kind.MOMENT, "The end of the last good cycle before", "From"),
            Column("until", "Until", Kind.MOMENT, "The start of the next good one", "Until"),
            Column("hours", "Hours", Kind.HOURS, "How long", "Hours"),
            Column("kind", "Kind", Kind.WORD, "no_good_cycle, or not_covered by this ledger", "Kind"),
            Column("why", "What happened", Kind.TEXT, "Results of the cycles in it, guards, pauses", "What happened"),
        )
        rows: list[Row] = [
            (_moment(one["from"]), _moment(one["until"]), round(one["seconds"] / 3600, 4), one["kind"], one["why"])
            for one in self._doc["gaps"]
        ]
        says = (
            "Times without a good cycle that were longer than the schedule explains. A good cycle read both sides whole, no "
            "guard tripped, and every change was made."
        )
        return _table("gaps", "Gaps", columns, rows, says, "None.", "gap")

    def _missing(self) -> Table:
        columns = (
            Column("what", "What", Kind.WORD, "entries_lost, earlier_ledger, not_filed, reports_removed, names_blanked", "What"),
            Column("at", "At", Kind.MOMENT, "When it was noticed or done", "At"),
            Column("says", "What the ledger says", Kind.TEXT, "In words", "What the ledger says"),
            Column("entry", "Entry", Kind.NUMBER, "In the ledger, the first one", "Entry"),
        )
        rows: list[Row] = [(one["what"], _moment(one["at"]), one["says"], one["entry"]) for one in self._doc.get("missing", ())]
        says = "What was lost, put back, not filed, removed or blanked, as far as the ledger itself knows."
        return _table("missing", "Missing", columns, rows, says, "Nothing, as far as the ledger itself knows.", "missing")

    def _kept(self) -> Table:
        columns = (
            Column("email", "Account", Kind.STRONG, "The account's address", "Account"),
            Column("zoom_id", "Zoom id", Kind.CODE, "Identifies the account for good", "Account"),
            Column("reason", "Reason", Kind.WORD, "exempt (by configuration) or on_hold (by a person)", "Reason"),
            Column(
                "directory_id", "Directory id", Kind.CODE, "The person as last read; empty: nobody has this address", "Directory"
            ),
            Column("matched_by", "Matched by", Kind.WORD, "address, or memory of an earlier match", "Directory", " by "),
            Column("group_path", "Groups", Kind.PATH, "The groups the person is in", "Directory"),
            Column("role", "Role", Kind.TEXT, "The account's role in Zoom", "Account", label="role"),
            Column(
                "notes",
                "Notes",
                Kind.LIST,
                "By what it is exempt; exempt_leaver: the directory says that the person left",
                "Reason",
            ),
            Column(
                "nobody_since",
                "Nobody since",
                Kind.MOMENT,
                "First cycle that found nobody with this address; its person left then, or before it was kept",
                "Directory",
                label="nobody since",
            ),
            Column("since", "Since", Kind.MOMENT, "First cycle that kept it for this", "When"),
            Column("until", "Until", Kind.MOMENT, "First cycle that did not; empty: still kept", "When", label="until"),
            Column("by", "By", Kind.TEXT, "Who put it on hold", "Who"),
            Column("because", "Why", Kind.TEXT, "As given", "Who"),
            Column("hold_entry", "Hold", Kind.NUMBER, "The hold's entry in the ledger", "Evidence", label="hold is entry"),
            Column("entry", "Entry", Kind.NUMBER, "The decision's entry in the ledger", "Evidence", label="ledger entry"),
        )
        rows: list[Row] = [
            (
                one["email"],
                one["zoom_id"],
                one["reason"],
                one["directory_id"],
                one["matched_by"],
                tuple(one["group_path"] or ()) or None,
                one["role"],
                tuple(one.get("notes") or ()) or None,
                _moment(one.get("nobody_since")),
                _moment(one["since"]),
                _moment(one["until"]),
                one["by"],
                one["because"],
                one["hold_entry"],
                one["entry"],
            )
            for one in self._doc["kept"]
        ]
        says = (
            "Active accounts that an exemption or a hold kept, whatever became of their people; those that nobody in the "
            "directory has come first. Whoever left while kept stands here and not among the leavers."
        )
        return _table("kept", "Kept by exception", columns, rows, says, "None.", "kept")

    def _approvals(self) -> Table:
        columns = (
            Column("by", "By", Kind.STRONG, "Who let a held plan pass", "Who"),
            Column("typed_by", "Typed by", Kind.TEXT, "The user and machine on which it was given", "Who", label="as"),
            Column(
                "signed",
                "Signed",
                Kind.WORD,
                "With that name's key, which ledger verify --signers checks, or not",
                "Who",
                label="signed",
            ),
            Column("at", "At", Kind.MOMENT, "When", "When"),
            Column("expires_at", "Until", Kind.MOMENT, "It expires", "When", label="until"),
            Column("because", "Why", Kind.TEXT, "As given", "Why"),
            Column("guards", "Guards", Kind.LIST, "Which it may pass", "What"),
            Column("changes", "Changes", Kind.NUMBER, "How many effects were reviewed", "What", label="changes reviewed"),
            Column("used", "Used", Kind.NUMBER, "How many of them were tried under it", "What", label="used"),
            Column("plan", "Plan", Kind.CODE, "The plan that was reviewed", "Evidence"),
            Column("id", "Approval", Kind.CODE, "Its id", "Evidence"),
            Column("entry", "Entry", Kind.NUMBER, "In the ledger", "Evidence", label="ledger entry"),
        )
        rows: list[Row] = [
            (
                one["by"],
                one.get("typed_by"),
                None if one.get("signed") is None else "signed" if one["signed"] else "not signed",
                _moment(one["at"]),
                _moment(one["expires_at"]),
                one["because"],
                tuple(one["guards"]),
                one["changes"],
                one["used"],
                one["plan"],
                one["id"],
                one["entry"],
            )
            for one in self._doc["approvals"]
        ]
        return _table("approvals", "Approvals", columns, rows, "", "None was given or used.", "approval")

    def _overrides(self) -> Table:
        columns = (
            Column("by", "By", Kind.STRONG, "Who decided", "Who"),
            Column("at", "At", Kind.MOMENT, "When", "When"),
            Column(
                "what",
                "What",
                Kind.WORD,
                "hold, release, pause, resume, undo, acknowledge, announce (leavers), release_legal_hold (of content), "
                "accept (the ledger); deactivate or reactivate by hand",
                "What",
            ),
            Column("details", "Details", Kind.TEXT, "Until when, of which cycle", "What"),
            Column("email", "Account", Kind.TEXT, "Whom it concerns", "Account"),
            Column("zoom_id", "Zoom id", Kind.CODE, "Whom it concerns", "Account"),
            Column("because", "Why", Kind.TEXT, "As given", "Why"),
            Column("entry", "Entry", Kind.NUMBER, "In the ledger", "Entry"),
        )
        rows: list[Row] = [
            (
                one["by"],
                _moment(one["at"]),
                one["what"],
                one["details"],
                one["email"],
                one["zoom_id"],
                one["because"],
                one["entry"],
            )
            for one in self._doc["overrides"]
        ]
        says = "Where a person decided instead of the rules."
        return _table("overrides", "Overrides", columns, rows, says, "None.", "override")

    def _seen_by_others(self) -> Table:
        columns = (
            Column("state", "State", Kind.WORD, "foreign (not ours), confirmed, waiting, missing, unknown or unwatched", "State"),
            Column("email", "Account", Kind.STRONG, "The account's address", "Account"),
            Column("zoom_id", "Zoom id", Kind.CODE, "Identifies the account for good", "Account"),
            Column("what", "What", Kind.WORD, "activated, deactivated, deleted or updated", "What"),
            Column("fields", "Touched", Kind.LIST, "What an update changed", "What"),
            Column("at", "At", Kind.MOMENT, "When it was done", "When"),
            Column("seen_at", "Seen", Kind.MOMENT, "When, as Zoom says", "When", label="seen"),
            Column("seconds", "Seconds", Kind.NUMBER, "From done to seen", "When", label="seconds"),
            Column("source", "Told by", Kind.WORD, "event, or log (Zoom's operation log)", "Who"),
            Column("operator", "By", Kind.TEXT, "Who did it, as Zoom says", "Who", label="by"),
            Column("cycle", "Cycle", Kind.CODE, "Of a change of ours", "Evidence", label="cycle"),
            Column("entry", "Entry", Kind.NUMBER, "In the ledger", "Evidence", label="ledger entry"),
        )
        rows: list[Row] = [
            (
                one["state"],
                one["email"],
                one["zoom_id"],
                one["what"],
                tuple(one["fields"]) or None,
                _moment(one["at"]),
                _moment(one["seen_at"]),
                one["seconds"],
                one["source"],
                one["operator"],
                one["cycle"],
                one["entry"],
            )
            for one in self._doc.get("seen_by_others", ())
        ]
        says = (
            "What others did to accounts in scope first; then each change of ours, and whether Zoom's events or its "
            "operation log tell of it, too. Missing: nobody does, though the log was read whole over the 48 hours after it."
        )
        return _table(
            "seen_by_others",
            "Seen by others",
            columns,
            rows,
            says,
            "No change of ours, and none by others that syncd was told of: it is told only where a witness is configured.",
            "sighting",
        )

    def _handovers(self) -> Table:
        rows = handovers.rows_of(self._doc["handovers"])
        none = "Nothing was handed over, and no account was ended, in this period."
        return _table("handovers", "Handed over", handovers.COLUMNS, rows, handovers.SAYS, none, "handover")

    def _changes(self) -> Table:
        columns = (
            Column("at", "At", Kind.MOMENT, "The first cycle with the new value", "At"),
            Column("key", "Key", Kind.STRONG, "Where it stands in the configuration", "Key"),
            Column("before", "Before", Kind.TEXT, "The old value", "Before"),
            Column("after", "After", Kind.TEXT, "The new value", "After"),
            Column("digest_after", "Configuration", Kind.CODE, "Digest from then on", "Configuration"),
            Column("entry", "Entry", Kind.NUMBER, "In the ledger", "Entry"),
        )
        rows: list[Row] = [
            (_moment(one["at"]), one["key"], one["before"], one["after"], one["digest_after"], one["entry"])
            for one in self._doc["changes"]
        ]
        says = "Of the mode, the version, and the part of the configuration that decides who is changed."
        return _table("changes", "Configuration changes", columns, rows, says, "None.", "change")

    def _guards(self) -> Table:
        columns = (
            Column("guard", "Guard", Kind.STRONG, "What tripped", "Guard"),
            Column("first_at", "From", Kind.MOMENT, "First cycle in a row", "When", label="from"),
            Column("last_at", "Until", Kind.MOMENT, "Last cycle in a row", "When", label="until"),
            Column("cycles", "Cycles", Kind.NUMBER, "How many in a row", "Cycles"),
            Column("measured", "Measured", Kind.NUMBER, "At the first of them", "Measured"),
            Column("limit", "Limit", Kind.NUMBER, "Beyond which it trips", "Limit"),
            Column("unit", "Unit", Kind.TEXT, "Of both", "Limit", " "),
        )
        rows: list[Row] = [
            (
                one["guard"],
                _moment(one["first_at"]),
                _moment(one["last_at"]),
                one["cycles"],
                one["measured"],
                one["limit"],
                one["unit"],
            )
            for one in self._doc["guards"]
        ]
        return _table("guards", "Guards that tripped", columns, rows, "", "None tripped.", "guard")

    def _words(self) -> Table:
        columns = (
            Column("state", "State", Kind.STRONG, "The word in the leavers table", "State"),
            Column("leavers", "Leavers", Kind.NUMBER, "How many", "Leavers"),
            Column("meaning", "Meaning", Kind.TEXT, "In words", "Meaning"),
        )
        return _table(
            "states",
            "States",
            columns,
            [(word, count, STATES.get(word)) for word, count in self._doc["totals"]["states"].items()],
            "",
            "None.",
            "",
        )


#: Parts of the document that become rows, not header.
_ROWS = frozenset(
    {
        "leavers",
        "in_force",
        "reviews",
        "kept_sample",
        "compared",
        "kept",
        "gaps",
        "missing",
        "guards",
        "changes",
        "approvals",
        "overrides",
        "balances",
        "late",
        "seen_by_others",
        "handovers",
    }
)


def _table(key: str, title: str, columns: tuple[Column, ...], rows: list[Row], says: str, none: str, record: str) -> Table:
    def again() -> Iterator[Row]:
        return iter(rows)

    return Table(key, title, columns, again, len(rows), says, none, record)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _window(one: Mapping[str, Any]) -> str:
    """A window as a line: ``deny deactivate at 0 18 * * 5 for 62 h, Europe/Berlin, except expired_in_directory``."""
    but = f", except {', '.join(one['except'])}" if one["except"] else ""
    hours = f"{one['duration'] / 3600:g} h"
    return f"{one['kind']} {' and '.join(one['applies_to'])} at {one['cron']} for {hours}, {one['timezone']}{but}"


def _days(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds / 86400)


def _many(number: int, word: str) -> str:
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"

"""What the ledger says so far: a pure fold over its entries, and the questions a cycle asks of it.

``record.py`` writes what is read back here. Kinds and keys this version does not know are passed over: a newer one may
have written them, and an old ledger must stay readable.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from syncd.model import (
    Approval,
    Deactivated,
    Draft,
    Gone,
    Guard,
    Head,
    Hold,
    Intent,
    LedgerEntry,
    Refusal,
    sha256_of,
)

#: How far back the largest good read is looked for.
BASELINE_WINDOW = timedelta(days=7)

#: How long a recorded plan may be approved, and over which time deactivations add up.
DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class RecordedPlan:
    """A plan some cycle made: its effects, and what the read behind it measured (accepted when it is approved)."""

    digest: str
    policy_digest: str
    effects: tuple[tuple[str, str, str], ...]            # (zoom id, action, reason)
    at: datetime                                         # when a cycle made it last
    measures: dict[str, float] = field(default_factory=dict)


@dataclass
class History:
    """The read model of a ledger. ``apply`` is the only thing that changes it, one entry at a time, in order."""

    head: Head = field(default_factory=lambda: Head(0, ""))
    broken: str = ""                          # why the chain does not verify; everything after that entry is left out
    ledger_id: str = ""
    zoom_account: str = ""                    # the ledger is bound to these two at first use
    directory: str = ""
    term: int = 0
    # memory of good reads
    pairs: dict[str, str] = field(default_factory=dict)            # zoom id -> directory id
    gone: dict[str, Gone] = field(default_factory=dict)            # zoom id -> since when not entitled
    good_reads: int = 0
    measures: dict[str, list[tuple[datetime, float]]] = field(default_factory=dict)   # people, entitled, group:ID
    peopled: set[str] = field(default_factory=set)                 # groups that had members, unless accepted as empty
    accepted_match_percent: float | None = None
    active_in_scope: int = 0                  # of the last good read
    # what was changed, asked for and answered
    deactivated: dict[str, Deactivated] = field(default_factory=dict)
    deactivations: list[tuple[datetime, bool]] = field(default_factory=list)   # by cycles: when, whether approved
    holds: dict[str, Hold] = field(default_factory=dict)
    refusals: dict[tuple[str, str], Refusal] = field(default_factory=dict)
    approvals: dict[str, Approval] = field(default_factory=dict)
    used: set[tuple[str, str, str]] = field(default_factory=set)   # (approval id, zoom id, action)
    plans: dict[str, RecordedPlan] = field(default_factory=dict)
    intents: dict[str, Intent] = field(default_factory=dict)       # announced, not settled yet
    done_in: dict[str, list[tuple[Intent, str]]] = field(default_factory=dict)   # cycle -> effects done, licence after
    paused_since: datetime | None = None
    paused_because: str = ""
    paused_by: str = ""
    # policy in enforcing use
    policy_in_use: dict[str, Any] | None = None
    policy_digest: str = ""                   # of the last cycle of either mode
    armed: bool = False
    # decisions and cycles
    decided: dict[str, str] = field(default_factory=dict)          # zoom id -> digest of the last recorded decision
    last_cycle: str = ""
    last_cycle_at: datetime | None = None
    last_success_at: datetime | None = None
    last_result: str = ""

    # --------------------------------------------------------------------------------------------------- questions

    def baseline(self, measure: str, now: datetime) -> float | None:
        """The highest value of a measure over the good reads of the last 7 days (of the last good read when all are
        older), or since a lower one was approved. None: never measured."""
        values = self.measures.get(measure)
        if not values:
            return None
        recent = [value for at, value in values if at >= now - BASELINE_WINDOW]
        return max(recent) if recent else values[-1][1]

    def deactivations_since(self, moment: datetime) -> int:
        """Deactivations by cycles since then that no approval covered."""
        return sum(1 for at, approved in self.deactivations if at >= moment and not approved)

    def on_hold(self, zoom_id: str, now: datetime) -> bool:
        """Whether somebody asked to leave this account alone, and still does."""
        hold = self.holds.get(zoom_id)
        return hold is not None and (hold.until is None or now < hold.until)

    def covering(self, zoom_id: str, action: str, guard: Guard, policy_digest: str, now: datetime) -> str:
        """The approval that lets this effect pass this guard, or nothing. It covers what was reviewed, once, under the
        policy it was reviewed with, until it expires."""
        for approval in self.approvals.values():
            if (
                guard in approval.guards and (zoom_id, action) in approval.effects and now < approval.expires_at
                and approval.policy_digest == policy_digest and (approval.id, zoom_id, action) not in self.used
            ):
                return approval.id
        return ""

    def approved_policy(self, policy_digest: str, now: datetime) -> bool:
        """Whether a plan under this policy that deactivates somebody was approved for ``policy-changed``, and the approval
        still runs."""
        return any(
            Guard.POLICY_CHANGED in approval.guards and approval.policy_digest == policy_digest and now < approval.expires_at
            and any(action == "deactivate" for _, action in approval.effects)
            for approval in self.approvals.values()
        )

    def foreseen(self, drafts: Sequence[Draft], at: datetime) -> History:
        """A history as it would be after these entries, for a dry run that may not write them. This one stays as it is."""
        own: dict[str, Any] = {
            name: value.copy() for name in self.__dataclass_fields__
            if isinstance(value := getattr(self, name), dict | set | list)
        }
        own["done_in"] = {cycle: list(done) for cycle, done in self.done_in.items()}
        ahead = replace(self, **own)
        for draft in drafts:
            ahead.apply(LedgerEntry(self.head.seq, at.isoformat(), draft.cycle, 0, draft.kind, draft.subject,
                                    json.dumps(dict(draft.body)), "", self.head.hash))
        return ahead

    # -------------------------------------------------------------------------------------------------------- the fold

    def apply(self, entry: LedgerEntry) -> None:
        """Takes one more entry into account."""
        self.head = Head(entry.seq, entry.hash)
        self.term = max(self.term, entry.term)
        fold = getattr(self, "_fold_" + entry.kind.replace(".", "_"), None)
        if fold is not None:
            fold(entry, json.loads(entry.body), _moment(entry.at))

    def _fold_ledger_opened(self, entry: LedgerEntry, body: dict[str, Any], at: datetime) -> None:
        self.ledger_id = body["ledger_id"]
        self.zoom_account = body["zoom_account"]
        self.directory = body["directory"]

    def _fold_cycle_read(self, entry: LedgerEntry, body: dict[str, Any], at: datetime) -> None:
        self._take_read(body["read"], at)

    def _fold_cycle_ended(self, entry: LedgerEntry, body: dict[str, Any], at: datetime) -> None:
        if "read" in body:
            self._take_read(body["read"], at)
        self.last_cycle, self.last_cycle_at, self.last_result = entry.cycle, at, body["result"]
        if body.get("success"):
            self.last_success_at = at

    def _take_read(self, read: dict[str, Any], at: datetime) -> None:
        self.policy_digest = read["policy"]
        if "armed" in read:                   # enforcing use
            self.armed = read["armed"]
            self.policy_in_use = read.get("policy_values", self.policy_in_use)
        measures = {name: float(value) for name, value in read["measures"].items()}
        plan = self.plans.get(read["plan"])
        if plan is not None:
            self.plans[plan.digest] = replace(plan, at=at, measures=measures)
        if not read["good"]:
            return
        self.good_reads += 1
        self.active_in_scope = read["active_in_scope"]
        for name, value in measures.items():
            if name == "match_percent":
                if self.accepted_match_percent is not None and value >= read["min_match_percent"]:
                    self.accepted_match_percent = None
                continue
            kept = [pair for pair in self.measures.get(name, ()) if pair[0] >= at - BASELINE_WINDOW]
            while kept and kept[-1][1] <= value:          # a later, higher value makes an earlier, lower one irrelevant
                kept.pop()
            self.measures[name] = [*kept, (at, value)]
            if name.startswith("group:") and value > 0:
                self.peopled.add(name)

    def _fold_memory(self, entry: LedgerEntry, body: dict[str, Any], at: datetime) -> None:
        self.pairs.update(body.get("pairs", {}))
        since = _moment(body["at"]) if "at" in body else at
        for zoom_id in body.get("gone", ()):
            self.gone[zoom_id] = Gone(since, self.good_reads)
        for zoom_id in body.get("back", ()):
            self.gone.pop(zoom_id, None)
        for zoom_id in body.get("unclear", ()):
            if zoom_id in self.gone:
                self.gone[zoom_id] = replace(self.gone[zoom_id], read=self.gone[zoom_id].read + 1)
        for zoom_id in body.get("seen_active", ()):
            if zoom_id in self.deactivated:
                self.deactivated[zoom_id] = replace(self.deactivated[zoom_id], seen_active=True)
        for zoom_id in body.get("vanished", ()):      # pairs stay: missing in one list is no proof that it is no more
            for kept in (self.gone, self.decided):
                kept.pop(zoom_id, None)

    def _fold_decision(self, entry: LedgerEntry, body: dict[str, Any], at: datetime) -> None:
        self.decided[entry.subject] = fingerprint_of(body)

    def _fold_plan(self, entry: LedgerEntry, body: dict[str, Any], at: datetime) -> None:
        self.plans = {digest: plan for digest, plan in self.plans.items() if plan.at >= at - DAY}
        effects = tuple((str(zoom_id), str(action), str(reason)) for zoom_id, action, reason in body["effects"])
        measures = {name: float(value) for name, value in body.get("measures", {}).items()}
        self.plans[body["digest"]] = RecordedPlan(body["digest"], body["policy"], effects, at, measures)

    def _fold_approval(self, entry: LedgerEntry, body: dict[str, Any], at: datetime) -> None:
        self.approvals = {id_: one for id_, one in self.approvals.items() if one.expires_at >= at}
        self.used = {use for use in self.used if use[0] in self.approvals}
        guards = tuple(Guard(name) for name in body["guards"])
        self.approvals[entry.subject] = Approval(
            entry.subject, body["plan"], body["policy"], guards, frozenset((zid, action) for zid, action in body["effects"]),
            body["by"], body["because"], at, _moment(body["expires_at"]),
        )
        for name, value in body.get("accepts", {}).items():
            if name == "match_percent":
                self.accepted_match_percent = float(value)
            elif name.startswith("emptied:"):
                self.peopled.discard(name.removeprefix("emptied:"))
            else:
                self.measures[name] = [(at, float(value))]

    def _fold_intent(self, entry: LedgerEntry, body: dict[str, Any], at: datetime) -> None:
        self.intents[body["id"]] = Intent(
            body["id"], entry.cycle, at, entry.subject, body["action"], body["by"], body["reason"], body["before"],
            body.get("approval", ""), body.get("restore"),
        )

    def _fold_outcome(self, entry: LedgerEntry, body: dict[str, Any], at: datetime) -> None:
        intent = self.intents.pop(body["intent"], None)
        if intent is None:
            return
        refusal = body.get("refusal")
        if refusal is not None:
            self.refusals[(intent.zoom_id, intent.action)] = Refusal(at, refusal["code"], refusal["says"],
                                                                     refusal["fingerprint"])
        if body["outcome"] != "done":
            return
        done_at = _moment(body["done_at"]) if body.get("done_at") else at
        effect = (intent.zoom_id, intent.action)
        self.refusals.pop(effect, None)
        if intent.approval:                   # reviewed more than once, for several guards: used up in each of them
            self.used.update((id_, *effect) for id_, one in self.approvals.items() if effect in one.effects)
        self.done_in.setdefault(intent.cycle, []).append((intent, body.get("licence_after") or ""))
        if intent.action == "deactivate":
            before = intent.before
            self.deactivated[intent.zoom_id] = Deactivated(
                done_at, intent.cycle, intent.by, before.get("type"), before.get("plan"), before.get("role_id"),
                intent.reason,
            )
            if intent.by == "cycle":
                self.deactivations = [one for one in self.deactivations if one[0] >= at - DAY]
                self.deactivations.append((done_at, bool(intent.approval)))
        elif intent.action == "reactivate" and intent.zoom_id in self.deactivated:
            self.deactivated[intent.zoom_id] = replace(self.deactivated[intent.zoom_id], reactivated_at=done_at)

    def _fold_hold(self, entry: LedgerEntry, body: dict[str, Any], at: datetime) -> None:
        until = _moment(body["until"]) if body.get("until") else None
        self.holds[entry.subject] = Hold(body["by"], body["because"], at, until)

    def _fold_release(self, entry: LedgerEntry, body: dict[str, Any], at: datetime) -> None:
        self.holds.pop(entry.subject, None)

    def _fold_pause(self, entry: LedgerEntry, body: dict[str, Any], at: datetime) -> None:
        if self.paused_since is None:
            self.paused_since = at
        self.paused_by, self.paused_because = body["by"], body["because"]

    def _fold_resume(self, entry: LedgerEntry, body: dict[str, Any], at: datetime) -> None:
        self.paused_since, self.paused_by, self.paused_because = None, "", ""


def fingerprint_of(decision_body: dict[str, Any]) -> str:
    """Short digest of a recorded decision (without what lies beside it): equal means unchanged."""
    return sha256_of({key: value for key, value in decision_body.items() if key not in ("who", "changed_at")})[:16]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)

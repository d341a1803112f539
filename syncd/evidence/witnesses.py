"""What others saw of the changes of a period, and what they did themselves. A fold beside ``periods``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from syncd.ledger import entries
from syncd.ledger.entry import Entry, rfc3339
from syncd.ledger.history import History
from syncd.model import HANDOVER, LedgerEntry, OutcomeKind, SeenEffect, Stage, Witnesses, WitnessState
from syncd.planning.witness import state_of


@dataclass(frozen=True, slots=True)
class _Sighting:
    """A witness entry, and where it stands."""

    entry: LedgerEntry
    says: entries.ChangeSeen


@dataclass
class SeenByOthers:
    """Takes the whole ledger, in order."""

    _effects: dict[str, tuple[SeenEffect, LedgerEntry]] = field(default_factory=dict)  # intent -> change, its entry
    _sightings: dict[str, _Sighting] = field(default_factory=dict)  # intent -> who saw it first
    _foreign: list[_Sighting] = field(default_factory=list)
    _witnesses: list[tuple[datetime, Witnesses]] = field(default_factory=list)
    _logs: list[tuple[datetime, datetime]] = field(default_factory=list)

    def take(self, entry: LedgerEntry, says: Entry, at: datetime) -> None:
        """One more entry."""
        match says:
            case entries.IntentAnnounced(action="deactivate" | "reactivate"):
                self._effects[says.id] = SeenEffect(entry.subject, says.action, at, says.who), entry
            case entries.HandoverAnnounced():
                self._effects[says.id] = SeenEffect(entry.subject, HANDOVER, at, says.who), entry
            case entries.AccessChanged(state="announced"):
                action = "reactivate" if says.step == "open" else "deactivate"
                self._effects[f"{says.intent}/{says.step}"] = SeenEffect(entry.subject, action, at, says.who), entry
            case entries.AccessChanged():
                self._settle(f"{says.intent}/{says.step}", at if says.state == "done" else None)
            case entries.OutcomeSettled():
                self._settle(says.intent, (says.done_at or at) if says.outcome == OutcomeKind.DONE else None)
            case entries.HandoverSettled(state="handed_over" | "refused"):  # else nobody knows: it stays announced
                self._settle(says.intent, at if says.state == Stage.HANDED_OVER else None)
            case entries.ChangeSeen():
                self._take_seen(_Sighting(entry, says))
            case entries.WitnessesSet():
                self._witnesses.append((at, Witnesses(says.events, says.operation_log)))
            case entries.LogCompared():
                self._logs.append((says.since, says.until))
            case _:
                pass

    def _settle(self, intent: str, done_at: datetime | None) -> None:
        known = self._effects.get(intent)
        if known is None:
            return
        if done_at is not None:
            self._effects[intent] = replace(known[0], done_at=done_at), known[1]
            return
        del self._effects[intent]
        if intent in self._sightings:  # not done by us after all: it was somebody else's
            self._foreign.append(self._sightings.pop(intent))

    def _take_seen(self, one: _Sighting) -> None:
        intent = one.says.intent
        if one.says.state == WitnessState.FOREIGN:
            self._foreign.append(one)
        elif intent in self._effects and one.says.state == WitnessState.UNKNOWN:
            effect, entry = self._effects[intent]
            self._effects[intent] = replace(effect, doubtful=True), entry
        elif intent in self._effects and intent not in self._sightings:
            effect, entry = self._effects[intent]
            self._effects[intent] = replace(effect, seen_by=one.says.source, seen_at=one.says.at), entry
            self._sightings[intent] = one

    @property
    def known(self) -> History:
        """What judging a change needs of the ledger."""
        return History(witnesses=tuple(self._witnesses), logs_read=tuple(self._logs))

    def state(self, intent: str, until: datetime) -> str | None:
        """How a change that was done stands at the end of the ledger; None: it was not done."""
        effect = self._effects[intent][0] if intent in self._effects else None
        return state_of(effect, self.known, until).value if effect is not None and effect.done_at is not None else None

    def references(self, start: datetime, end: datetime) -> Iterator[str]:
        """Which personal data ``rows`` needs."""
        yield from (effect.who for _, effect, _ in self._in(start, end))
        yield from (one.says.who for one in (*self._foreign, *self._sightings.values()))

    def rows(
        self, start: datetime, end: datetime, until: datetime, personal: Mapping[str, Mapping[str, str]]
    ) -> list[dict[str, object]]:
        """What others did in the time from *start* to before *end*, then how each change of ours in it stands at *until*."""
        foreign = [self._foreign_row(one, personal) for one in self._foreign if start <= one.says.at < end]
        known = self.known
        ours = [
            self._our_row(intent, effect, entry, state_of(effect, known, until), personal)
            for intent, effect, entry in self._in(start, end)
        ]
        return [*sorted(foreign, key=_when), *sorted(ours, key=_when)]

    def _in(self, start: datetime, end: datetime) -> Iterator[tuple[str, SeenEffect, LedgerEntry]]:
        return (
            (intent, effect, entry)
            for intent, (effect, entry) in self._effects.items()
            if effect.done_at is not None and start <= effect.done_at < end
        )

    def _foreign_row(self, one: _Sighting, personal: Mapping[str, Mapping[str, str]]) -> dict[str, object]:
        names = personal.get(one.says.who, {})
        return {
            "state": WitnessState.FOREIGN.value,
            "zoom_id": one.entry.subject or None,
            "email": names.get("email"),
            "what": one.says.what,
            "fields": list(one.says.fields),
            "at": rfc3339(one.says.at),
            "source": one.says.source,
            "operator": names.get("operator"),
            "seen_at": rfc3339(one.says.at),
            "seconds": None,
            "entry": one.entry.seq,
            "cycle": None,
        }

    def _our_row(
        self, intent: str, effect: SeenEffect, entry: LedgerEntry, state: WitnessState, personal: Mapping[str, Mapping[str, str]]
    ) -> dict[str, object]:
        seen = self._sightings.get(intent)
        names = personal.get(seen.says.who, {}) if seen is not None else {}
        return {
            "state": state.value,
            "zoom_id": effect.zoom_id,
            "email": personal.get(effect.who, {}).get("email"),
            "what": entries.SEEN_AS[effect.action],
            "fields": [],
            "at": rfc3339(effect.done_at or effect.announced_at),
            "source": effect.seen_by or None,
            "operator": names.get("operator"),
            "seen_at": rfc3339(effect.seen_at) if effect.seen_at is not None else None,
            "seconds": seen.says.seconds if seen is not None else None,
            "entry": entry.seq,
            "cycle": entry.cycle or None,
        }


def _when(row: Mapping[str, Any]) -> tuple[str, int]:
    return row["at"], row["entry"]


def totals_of(rows: list[dict[str, object]]) -> dict[str, int]:
    """How many rows of each state."""
    counts = Counter(row["state"] for row in rows)
    return {state.value: counts[state.value] for state in WitnessState}

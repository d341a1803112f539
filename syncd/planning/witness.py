"""What others saw of changes at Zoom, held against ours: confirmed, waiting, missing, unknown, foreign. Values in, values out.

a sighting                                              is
fits a change of ours within 15 min, not seen yet       confirmed
fits one that was seen already                          ours, once more: nothing new
is one of somebody else's that is known already         nothing new
another change of status, type, role or existence       foreign, when the account is in scope
anything else                                           of no interest

a change of ours, done                                  stands
seen by event or log                                    confirmed
no witness configured when it was made                  unwatched
for 48 h                                                waiting
then, the log read whole over that time                 missing
then, otherwise, or with a line near it in the log
that nobody understands                                 unknown: no alarm is made of what is not known
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from syncd.ledger.history import History
from syncd.model import (
    HANDOVER,
    ForeignChange,
    Happened,
    Seen,
    SeenEffect,
    Sighting,
    Unreadable,
    Witnesses,
    WitnessState,
    sha256_of,
)

#: How far what Zoom says may lie from what we did, earlier or later.
FITS_WITHIN = timedelta(minutes=15)

#: How long a change may wait for somebody to have seen it.
WAITS = timedelta(hours=48)

#: How long what others did is shown with each cycle.
SHOWN = timedelta(hours=48)

#: Over which time changes are counted for observers.
COUNTED = timedelta(days=30)

#: What changes nobody's access or licence by itself is told to the watch only.
FOREIGN_FIELDS = frozenset({"status", "type", "role"})
SIGNAL_FIELDS = frozenset({"status", "email", "role"})

_STATUS_CHANGES = frozenset({"deactivate", "reactivate", HANDOVER})


@dataclass(frozen=True, slots=True)
class Finding:
    """What a sighting is. *state* None: ours once more, known, or of no interest. *ours*: it fits a change of ours."""

    state: WitnessState | None
    ours: bool = False
    intent: str = ""
    seconds: float | None = None


class Comparison:
    """Judges sightings one after the other, each knowing those before it. Begins with what the ledger says."""

    def __init__(self, history: History) -> None:
        self._effects: dict[str, dict[str, SeenEffect]] = {}  # Zoom id -> intent -> change of ours
        self._foreign: dict[tuple[str, str], list[tuple[str, datetime]]] = {}  # Zoom id, what -> source and time
        for intent, effect in history.effects.items():
            self._effects.setdefault(effect.zoom_id, {})[intent] = effect
        for one in history.foreign:
            self._foreign.setdefault((one.zoom_id, one.what), []).append((one.source, one.at))

    def judge(self, sighting: Sighting, *, in_scope: bool) -> Finding:
        """What a sighting is. One of an account that is gone and was never known has no Zoom id: it fits nothing."""
        mine = self._effects.get(sighting.zoom_id, {}) if sighting.zoom_id else {}
        fitting = [(intent, effect) for intent, effect in mine.items() if _fits(sighting, effect)]
        if fitting:
            unseen = [(intent, effect) for intent, effect in fitting if not effect.seen_by and _confirms(sighting, effect)]
            if not unseen:
                return Finding(None, ours=True)
            intent, effect = min(unseen, key=lambda one: abs(sighting.at - _moment(one[1])))
            mine[intent] = replace(effect, seen_by=sighting.source, seen_at=sighting.at)
            return Finding(
                WitnessState.CONFIRMED,
                ours=True,
                intent=intent,
                seconds=round((sighting.at - _moment(effect)).total_seconds(), 3),
            )
        known = self._foreign.setdefault((sighting.zoom_id, sighting.what), [])
        if not in_scope or not is_foreign_kind(sighting) or any(_same(sighting, source, at) for source, at in known):
            return Finding(None)
        known.append((sighting.source, sighting.at))
        return Finding(WitnessState.FOREIGN)

    def doubtful(self, unreadable: Sequence[Unreadable], addresses: Mapping[str, frozenset[str]]) -> dict[str, SeenEffect]:
        """Changes not seen yet with a line of the log near them that may or may not tell of them: it names the account, or
        nobody, or no time. *addresses*: keys of each account, by Zoom id."""
        naming: dict[str, list[Unreadable]] = {}
        for line in unreadable:
            for key in line.addresses or ("",):
                naming.setdefault(key, []).append(line)
        found: dict[str, SeenEffect] = {}
        for zoom_id, mine in self._effects.items():
            lines = [line for key in ("", *addresses.get(zoom_id, ())) for line in naming.get(key, ())]
            found |= {
                intent: effect
                for intent, effect in mine.items()
                if lines and _is_open(effect) and any(line.at is None or _near(line.at, effect) for line in lines)
            }
        return found


def is_foreign_kind(sighting: Sighting) -> bool:
    """Whether it changes status, type, role or existence."""
    return sighting.what is not Happened.UPDATED or bool(sighting.fields & FOREIGN_FIELDS)


def is_signal(sighting: Sighting) -> bool:
    """Whether the watch should look at this account, when it was not our doing."""
    return sighting.what is not Happened.UPDATED or bool(sighting.fields & SIGNAL_FIELDS)


def digest_of(sighting: Sighting) -> str:
    """Names a sighting without saying anything of anybody."""
    return sha256_of([sighting.source.value, sighting.what.value, sighting.zoom_id, sighting.at.isoformat()])


def state_of(effect: SeenEffect, history: History, now: datetime) -> WitnessState:
    """How a change of ours that was done stands."""
    if effect.seen_by:
        return WitnessState.CONFIRMED
    done_at = _moment(effect)
    if not watched_at(history.witnesses, done_at):
        return WitnessState.UNWATCHED
    if now < done_at + WAITS:
        return WitnessState.WAITING
    whole = covered(history.logs_read, done_at - FITS_WITHIN, done_at + WAITS)
    return WitnessState.MISSING if whole and not effect.doubtful else WitnessState.UNKNOWN


def watched_at(witnesses: Iterable[tuple[datetime, Witnesses]], at: datetime) -> bool:
    """Whether any witness was configured then."""
    standing = Witnesses()
    for since, configured in witnesses:
        if since <= at:
            standing = configured
    return bool(standing)


def covered(spans: Iterable[tuple[datetime, datetime]], start: datetime, end: datetime) -> bool:
    """Whether *spans* together leave no moment from *start* to *end* out."""
    reached = start
    for since, until in sorted(spans):
        if since > reached:
            break
        reached = max(reached, until)
    return reached >= end and reached > start


def effects_of(history: History) -> dict[str, SeenEffect]:
    """Changes of status or existence of ours that were done, by intent."""
    return {intent: one for intent, one in history.effects.items() if one.done_at is not None and one.action in _STATUS_CHANGES}


def seen_in(history: History, zoom_ids: Mapping[tuple[str, str], datetime], now: datetime) -> dict[tuple[str, str], Seen]:
    """How changes stand, each by Zoom id and action; *zoom_ids* says when each was done."""
    found = {}
    for effect in effects_of(history).values():
        key = (effect.zoom_id, effect.action)
        if zoom_ids.get(key) == effect.done_at:
            found[key] = Seen(state_of(effect, history, now), effect.seen_by, effect.seen_at)
    return found


def foreign_lately(history: History, now: datetime) -> list[ForeignChange]:
    """What others did within the last 48 h, the latest first."""
    return sorted((one for one in history.foreign if one.at >= now - SHOWN), key=lambda one: one.at, reverse=True)


def count_states(history: History, now: datetime) -> dict[WitnessState, int]:
    """Changes of the last 30 days by how they stand, foreign ones too."""
    since = now - COUNTED
    counts = Counter(
        state_of(one, history, now) for one in effects_of(history).values() if one.done_at is not None and one.done_at >= since
    )
    counts[WitnessState.FOREIGN] = sum(one.at >= since for one in history.foreign)
    return {state: counts[state] for state in WitnessState}


def witnesses_changed(history: History, configured: Witnesses) -> bool:
    """Whether the ledger says something else than the configuration."""
    standing = history.witnesses[-1][1] if history.witnesses else Witnesses()
    return standing != configured


def _fits(sighting: Sighting, effect: SeenEffect) -> bool:
    """Whether it may be this change of ours. Deactivating takes the licence, and giving it back is an update, too."""
    if not _near(sighting.at, effect):
        return False
    match sighting.what:
        case Happened.DEACTIVATED:
            return effect.action == "deactivate"
        case Happened.ACTIVATED:
            return effect.action == "reactivate"
        case Happened.UPDATED:
            return bool(sighting.fields) and sighting.fields <= {"status", "type"}
        case Happened.DELETED:  # deleted or unlinked: only a handover of ours does that
            return effect.action == HANDOVER


def _confirms(sighting: Sighting, effect: SeenEffect) -> bool:
    """An update that merely goes with a change of status is no proof of it."""
    return sighting.what is not Happened.UPDATED or effect.action == "restore_licence"


def _near(at: datetime, effect: SeenEffect) -> bool:
    return effect.announced_at - FITS_WITHIN <= at <= _moment(effect) + FITS_WITHIN


def _moment(effect: SeenEffect) -> datetime:
    return effect.done_at or effect.announced_at


def _is_open(effect: SeenEffect) -> bool:
    """Whether it was made, and nobody saw it yet."""
    return effect.done_at is not None and effect.action in _STATUS_CHANGES and not effect.seen_by and not effect.doubtful


def _same(sighting: Sighting, source: str, at: datetime) -> bool:
    """The same source tells the same change with the same time; another one near it."""
    if sighting.source == source:
        return sighting.at == at
    return bool(sighting.zoom_id) and abs(sighting.at - at) <= FITS_WITHIN

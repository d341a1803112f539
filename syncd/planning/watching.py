"""What to make of signals: whom to look at, when, and on whose leaving a look may act. Values and times in, answers out.

A signal only says "look there". What a look shows is acted on when it lasts: a script that disables somebody and enables them
again, or two servers that have not heard of each other yet, must switch nobody off. Whatever is too much, too old or too
contradictory waits for a whole cycle, which remains the truth.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from syncd.model import DirectorySnapshot, Hint, Person, Policy, Reason
from syncd.planning.entitlement import standing
from syncd.planning.match import Addresses

#: A base younger than this serves for looks, however short the interval is.
BASE_AGE_MIN = timedelta(minutes=30)

#: Whole cycles that the watch asks for are so far apart at least.
WHOLE_APART = timedelta(minutes=5)

#: More accounts signalled at Zoom than one look reads: somebody changes many at once, and a whole cycle judges that better.
ACCOUNTS_MAX = 100

#: More people signalled within the window than this are signals without end: the source is busy with something else.
SIGNALS_MAX, SIGNALS_WINDOW = 1000, timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Noticed:
    """What was signalled at one place, and since when: the oldest moment of those that are looked at together. *last*: the
    newest one, where there are several."""

    hint: Hint
    since: datetime
    last: datetime | None = None

    def joined(self, hint: Hint, since: datetime, last: datetime) -> Noticed:
        """With another signal of the same place."""
        return Noticed(self.hint | hint, min(self.since, since), max(self.last or self.since, last))


@dataclass(frozen=True, slots=True)
class Leaving:
    """Somebody whom a look showed as not entitled any more: where, since when, and whether that counts at once."""

    place: int
    since: datetime
    at_once: bool


@dataclass(slots=True)
class Watching:
    """The memory between looks. Places are numbers: each server or file that is watched. *settle*: how long a leaving must last;
    *lag*: within which the opposite, shown elsewhere, makes it doubtful."""

    settle: timedelta
    lag: timedelta
    _noticed: dict[int, Noticed] = field(default_factory=dict)
    _leaving: dict[str, Leaving] = field(default_factory=dict)
    _entitled: dict[str, dict[int, datetime]] = field(default_factory=dict)  # who was shown entitled where, and when
    _doubtful: dict[str, datetime] = field(default_factory=dict)  # until when
    _signalled: deque[tuple[datetime, int]] = field(default_factory=deque)
    #: Zoom id -> when Zoom said for the first and for the last time that others changed it.
    _accounts: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)

    def notice(self, place: int, hint: Hint, now: datetime) -> bool:
        """Takes a signal. False: there is no end of them, so all are dropped and a whole cycle must look."""
        if self._no_end(len(hint.people) + len(hint.groups) + hint.anybody, now):
            return False
        self._remember(place, Noticed(hint, now))
        return True

    def notice_account(self, zoom_id: str, now: datetime) -> bool:
        """Takes a signal about an account at Zoom; as ``notice``."""
        if self._no_end(1, now):
            return False
        first, _ = self._accounts.get(zoom_id, (now, now))
        self._accounts[zoom_id] = (first, now)
        return True

    def _no_end(self, signals: int, now: datetime) -> bool:
        self._signalled.append((now, signals))
        while self._signalled and self._signalled[0][0] < now - SIGNALS_WINDOW:
            self._signalled.popleft()
        if sum(number for _, number in self._signalled) <= SIGNALS_MAX:
            return False
        self._noticed.clear()
        self._accounts.clear()
        return True

    def _remember(self, place: int, one: Noticed) -> None:
        known = self._noticed.get(place)
        self._noticed[place] = one if known is None else known.joined(one.hint, one.since, one.last or one.since)

    def put_back(self, taken: Mapping[int, Noticed]) -> None:
        """What was taken could not be looked at: it is looked at later."""
        for place, one in taken.items():
            self._remember(place, one)

    def due(self, now: datetime) -> datetime | None:
        """When there is something to look at; None: nothing. What is signalled is due at once."""
        if self._noticed or self._accounts:
            return now
        return min((self._ripe_at(id_, one, now) for id_, one in self._leaving.items()), default=None)

    def take(self, now: datetime) -> dict[int, Noticed]:
        """Everything to look at now, by place: what was signalled, and whoever's leaving has lasted long enough."""
        taken, self._noticed = self._noticed, {}
        for id_, one in self._leaving.items():
            if self._ripe_at(id_, one, now) <= now:
                hint = Hint(people=frozenset({id_}))
                known = taken.get(one.place)
                taken[one.place] = Noticed(hint, one.since) if known is None else replace(known, hint=known.hint | hint)
        return taken

    def take_accounts(self) -> dict[str, datetime]:
        """The accounts that were signalled at Zoom, each with the moment of its first signal."""
        taken, self._accounts = self._accounts, {}
        return {zoom_id: first for zoom_id, (first, _) in taken.items()}

    def put_accounts_back(self, taken: Mapping[str, datetime]) -> None:
        """As ``put_back``."""
        for zoom_id, since in taken.items():
            _, last = self._accounts.get(zoom_id, (since, since))
            self._accounts[zoom_id] = (since, last)

    def show(self, place: int, person: str, stands: Reason, now: datetime) -> None:
        """What a look showed of somebody: how they stand."""
        if stands is Reason.DIRECTORY_UNCLEAR:
            self._leaving.pop(person, None)
            return
        if stands is not Reason.IN_STEP:
            if any(at > now - self.lag for other, at in self._entitled.get(person, {}).items() if other != place):
                self._doubtful[person] = now + self.lag
            at_once = stands is Reason.IN_LEAVERS_GROUP
            known = self._leaving.get(person)
            if known is None or (at_once and not known.at_once):
                self._leaving[person] = Leaving(place, known.since if known is not None else now, at_once)
            return
        self._entitled.setdefault(person, {})[place] = now
        if self._leaving.pop(person, None) is not None:  # the opposite of what was shown a moment ago
            self._doubtful[person] = now + self.lag

    def may_act(self, person: str, now: datetime) -> bool:
        """Whether what a look just showed of them has lasted: true for whoever is not leaving."""
        one = self._leaving.get(person)
        return one is None or self._ripe_at(person, one, now) <= now

    def since(self, person: str) -> datetime | None:
        """When they were first seen leaving, of those who are."""
        one = self._leaving.get(person)
        return one.since if one is not None else None

    def acted(self, people: Iterable[str]) -> None:
        """What could be done about these was tried; whatever is left to do is a whole cycle's."""
        for person in people:
            self._leaving.pop(person, None)

    def start_over(self, now: datetime, read_at: datetime, began: datetime) -> None:
        """A whole cycle that *began* then read everybody at *read_at*: what was noticed before it is known, and nobody is waited
        for. Zoom's lists take their time, so an account signalled since it began may have been read before its change. What was
        remembered by a clock that was ahead, and is set right, counts no longer than usual from now on."""
        self._accounts = {
            zoom_id: (min(first, now), min(last, now)) for zoom_id, (first, last) in self._accounts.items() if last >= began
        }
        # Of signals that wait together one may be newer than the read: it was not read, and nobody signals it again.
        self._noticed = {
            place: replace(one, since=min(max(one.since, read_at), now))
            for place, one in self._noticed.items()
            if (one.last or one.since) >= read_at
        }
        self._leaving.clear()
        self._doubtful = {person: min(until, now + self.lag) for person, until in self._doubtful.items() if until > now}
        self._signalled = deque((at, number) for at, number in self._signalled if at <= now)
        self._entitled = {
            person: recent
            for person, places in self._entitled.items()
            if (recent := {place: min(at, now) for place, at in places.items() if at > now - self.lag})
        }

    def _ripe_at(self, person: str, one: Leaving, now: datetime) -> datetime:
        ripe = one.since if one.at_once else one.since + self.settle
        doubtful = self._doubtful.get(person)
        return max(ripe, doubtful) if doubtful is not None and doubtful > now else ripe


def base_serves(read_at: datetime, interval: timedelta, now: datetime) -> bool:
    """Whether looks may still build on a whole read of that moment. One of a moment to come does not serve: the clock was set
    back, and whatever is read again would count as older."""
    return timedelta() <= now - read_at <= max(interval, BASE_AGE_MIN)


def differing(
    whole: DirectorySnapshot, now: DirectorySnapshot, asked: Iterable[str], policy: Policy, at: datetime
) -> dict[str, Reason]:
    """Of those *asked* for, whoever is not as the last *whole* read showed them in anything that decides about an account, with
    how they stand *now*; somebody who is not there any more is absent. Time that merely passed is no difference: whose last day
    is over goes with a whole cycle."""
    found: dict[str, Reason] = {}
    for id_ in asked:
        before, after = whole.find(id_), now.find(id_)
        if before is None and after is None:
            continue
        stands = standing(after, policy, at) if after is not None else Reason.ABSENT_FROM_DIRECTORY
        if before is None or after is None or _of_interest(before) != _of_interest(after):
            found[id_] = stands
    return found


def _of_interest(person: Person) -> tuple[object, ...]:
    return (
        person.mains,
        person.aliases,
        person.enabled,
        person.expires_at,
        bool(person.entitled_by),
        bool(person.leaver_by),
        bool(person.protected_by),
        person.guest,
        person.unclear,
        person.unclean,
        person.membership_unknown,
        person.number,
    )


def concerned(
    directory: DirectorySnapshot, accounts: Mapping[str, Collection[str]], pairs: Mapping[str, str], policy: Policy
) -> dict[str, frozenset[str]]:
    """Zoom id -> whoever has to do with that account: claims one of its addresses (*accounts*: those it had and has), or is the
    one it is remembered for (*pairs*)."""
    addresses, owners = Addresses(policy), dict[str, set[str]]()
    for zoom_id, known in accounts.items():
        for address in known:
            owners.setdefault(addresses.key(address), set()).add(zoom_id)
    found: dict[str, set[str]] = {zoom_id: {pairs[zoom_id]} if zoom_id in pairs else set() for zoom_id in accounts}
    for person in directory.people:
        for key in person.addresses:
            for zoom_id in owners.get(addresses.canonical(key), ()):
                found[zoom_id].add(person.id)
    return {zoom_id: frozenset(people) for zoom_id, people in found.items()}

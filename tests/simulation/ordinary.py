"""Ordinary years: companies of 100 to 20,000 people in which nothing goes wrong, and in which no guard may ask for anybody.

People join and leave (many of them at the end of a month), are away for months and come back, marry, and are deleted long after
they left. A season and a term end on a day, and are announced beforehand, as the how-to on terms says. Beside them
the slow drips: the same companies with one thing wrong every day, and never much of it at once; each must be held in time.

Real cycles under the default limits, over in-memory ports, two a day; the simulator proper (``company.py``) has the bad weeks.
"""

from __future__ import annotations

import asyncio
import calendar
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from random import Random

from msgspec.structs import replace

from syncd.ledger import record
from syncd.model import Mode, Policy, Status, Trigger
from syncd.operations.announce import announce
from syncd.operations.cycle import Run, run_cycle
from tests.fakes import Company

POLICY = Policy("zoom-account", ("corp.example",))
MORNING, EVENING = time(9, tzinfo=UTC), time(18, tzinfo=UTC)
FIRST_DAY = datetime(2027, 1, 1, tzinfo=UTC)
DAYS = 365

#: Days before something goes wrong every day: the first changes of a new installation are looked at anyhow.
QUIET_DAYS = 10

#: The last days of a summer's interns and of contracts for a year.
SEASON_ENDS, TERM_ENDS = datetime(2027, 8, 31, tzinfo=UTC), datetime(2027, 12, 31, tzinfo=UTC)
SEASON_BEGINS = datetime(2027, 6, 1, tzinfo=UTC)

#: How somebody leaves the directory: disabled, taken out of the groups, deleted.
WAYS = ("disabled", "disabled", "disabled", "ungrouped", "deleted")


@dataclass(frozen=True, slots=True)
class Habits:
    """A company's year, as shares of its people. Staff that leaves in a year: from a tenth (public administrations) to a quarter
    (services); two in five of them on the last day of a month."""

    people: int
    turnover: float = 0.15
    growth: float = 0.03
    at_month_end: float = 0.4
    interns: float = 0.04  # from June to August, announced
    contractors: float = 0.05  # until the end of the year, announced
    away: float = 0.01  # disabled for three months, and back
    renamed: float = 0.01

    @classmethod
    def drawn(cls, luck: Random) -> Habits:
        """Some company: small ones are as likely as large ones."""
        people = int(100 * 200 ** luck.random())
        return cls(people, luck.uniform(0.08, 0.25), luck.uniform(0.0, 0.1), luck.uniform(0.2, 0.6), luck.uniform(0.0, 0.06))


@dataclass
class Year:
    """A company that lives through its days. *tripped*: which guard asked for somebody, and how often; *off*: who was switched
    off, and when."""

    habits: Habits
    luck: Random
    company: Company = field(default_factory=Company)
    tripped: Counter[str] = field(default_factory=Counter)
    off: dict[str, datetime] = field(default_factory=dict)
    results: Counter[str] = field(default_factory=Counter)
    announces: bool = True
    today: datetime = FIRST_DAY
    made: int = 0

    def __post_init__(self) -> None:
        self.company.clock.time = FIRST_DAY
        self.staff = [self.hired(at_once=True) for _ in range(self.habits.people)]
        share = self.habits.contractors
        self.contractors = [self.hired(at_once=True) for _ in range(int(self.habits.people * share))]
        self.interns: list[str] = []
        self.later: list[tuple[datetime, Callable[[], object]]] = []

    # --------------------------------------------------------------------------------------------------- what people do

    def hired(self, *, at_once: bool = False) -> str:
        """Somebody new: their account comes with their first meeting, days later."""
        self.made += 1
        name = f"person{self.made:05}"
        self.company.person(name)
        if at_once:
            self.company.account(name)
        else:
            self.later.append((self.today + timedelta(days=self.luck.randint(0, 9)), lambda: self.company.account(name)))
        return name

    def leaves(self, name: str, way: str | None = None) -> None:
        """One of the ways; whoever is left there is deleted after three months."""
        way = way or self.luck.choice(WAYS)
        people, id_ = self.company.directory.people, f"p-{name}"
        if way == "disabled":
            people[id_] = replace(people[id_], enabled=False)
        elif way == "ungrouped":
            people[id_] = replace(people[id_], entitled_by=())
        else:
            people.pop(id_, None)
        self.later.append((self.today + timedelta(days=90), lambda: people.pop(id_, None)))

    def away_and_back(self, name: str) -> None:
        """Parental leave: disabled, and enabled again after three months."""
        people, id_ = self.company.directory.people, f"p-{name}"
        people[id_] = replace(people[id_], enabled=False)

        def back() -> None:
            people[id_] = replace(people[id_], enabled=True)
            self.staff.append(name)

        self.later.append((self.today + timedelta(days=91), back))

    def renamed(self, name: str) -> None:
        """Married: a new main address, the old one stays; Zoom's follows."""
        self.company.person(name, addresses=(f"{name}.new", name))
        account = self.company.zoom.accounts.get(f"z-{name}")
        if account is not None:
            self.company.zoom.accounts[f"z-{name}"] = replace(account, email=self.company.address(f"{name}.new"))

    # ------------------------------------------------------------------------------------------------------- a day

    def happens(self) -> None:
        """What a usual day brings."""
        due = [one for one in self.later if one[0] <= self.today]
        self.later = [one for one in self.later if one[0] > self.today]
        for _, what in due:
            what()
        habits, size = self.habits, len(self.staff)
        last = self.today.day == calendar.monthrange(self.today.year, self.today.month)[1]
        a_year = size * habits.turnover
        expected = a_year * (1 - habits.at_month_end) / DAYS + (a_year * habits.at_month_end / 12 if last else 0.0)
        for _ in range(self._number(expected)):
            self.leaves(self.somebody())
        for _ in range(self._number(size * (habits.turnover + habits.growth) / DAYS)):
            self.staff.append(self.hired())
        for _ in range(self._number(size * habits.away / DAYS)):
            self.away_and_back(self.somebody())
        for _ in range(self._number(size * habits.renamed / DAYS)):
            self.renamed(self.luck.choice(self.staff))
        if self.today == SEASON_BEGINS:
            self.interns = [self.hired() for _ in range(int(habits.people * habits.interns))]

    def somebody(self) -> str:
        """One of the staff, who is not any more."""
        return self.staff.pop(self.luck.randrange(len(self.staff)))

    def _number(self, expected: float) -> int:
        """So many on average, one more or less by luck (binomial over few tries, as good as Poisson here)."""
        tries = max(1, int(expected * 10))
        return sum(self.luck.random() < expected / tries for _ in range(tries)) if expected < tries else round(expected)

    async def announced(self) -> None:
        """A week before: who leaves with the season or the term, and their day. Then they leave by it."""
        for names, ends in ((self.interns, SEASON_ENDS), (self.contractors, TERM_ENDS)):
            if names and self.announces and self.today == ends - timedelta(days=7):
                addresses = [self.company.address(name) for name in names]
                until = ends + timedelta(days=2)
                await announce(self.company.deps, POLICY, addresses, self.today, until, by="Ann", because="their last day")
            if self.today == ends:
                for name in names:
                    self.leaves(name, "disabled")

    async def cycle(self, at: time) -> None:
        """One real cycle, at that time of the day."""
        self.company.clock.time = datetime.combine(self.today, at)
        report = await run_cycle(self.company.deps, POLICY, Run(Mode.ENFORCE, Trigger.SCHEDULE, 1))
        self.results[report.result.value] += 1
        self.tripped.update(verdict.guard.value for verdict in report.verdicts if verdict.tripped)

    async def opened(self) -> None:
        """The first day, as somebody installs it: looked at, and accepted."""
        self.company.clock.time = self.today
        await self.company.ledger.append([record.accepted(by="Ann", because="a new ledger")])
        await self.cycle(time(8, tzinfo=UTC))

    async def lives(self, days: int, wrong: Callable[[Year], None] = lambda _: None) -> Year:
        """So many days, each with what is usual and with what is *wrong*."""
        await self.opened()
        for number in range(days):
            self.today = FIRST_DAY + timedelta(days=number)
            before = dict(self.company.zoom.accounts)
            self.happens()
            await self.announced()
            if number >= QUIET_DAYS:
                wrong(self)
            for at in (MORNING, EVENING):
                await self.cycle(at)
            for zoom_id, account in self.company.zoom.accounts.items():
                was = before.get(zoom_id)
                if account.status is Status.INACTIVE and was is not None and was.status is Status.ACTIVE:
                    self.off[zoom_id] = self.today
        return self


def most_in_30_days(off: dict[str, datetime]) -> int:
    """The largest number of people switched off within 30 days."""
    return max((sum(at <= other < at + timedelta(days=30) for other in off.values()) for at in off.values()), default=0)


def drips() -> Iterator[tuple[str, Callable[[Year], None]]]:
    """What goes wrong every day, a little of it: 1 % of the company, so that no limit of one cycle or one day says a word."""

    def some(year: Year) -> list[str]:
        return [year.somebody() for _ in range(max(1, year.habits.people // 100)) if year.staff]

    def each(way: str) -> Callable[[Year], None]:
        def wrong(year: Year) -> None:
            for name in some(year):
                year.leaves(name, way)

        return wrong

    def replaced(year: Year) -> None:
        """One new entry for each that goes: every total stays what it was."""
        for name in some(year):
            year.leaves(name, "deleted")
            year.staff.append(year.hired())

    def turns(year: Year) -> None:
        """Another way each day."""
        each(("disabled", "ungrouped", "deleted")[year.today.day % 3])(year)

    yield "disabled", each("disabled")
    yield "taken out of the groups", each("ungrouped")
    yield "deleted", each("deleted")
    yield "replaced one for one", replaced
    yield "in turns", turns


def lived(number: int) -> tuple[Habits, dict[str, int], int]:
    """One of many companies, its guards that tripped within a year, and how many were switched off in it."""
    luck = Random(f"ordinary/{number}")
    year = asyncio.run(Year(Habits.drawn(luck), luck).lives(DAYS))
    return year.habits, dict(year.tripped), len(year.off)

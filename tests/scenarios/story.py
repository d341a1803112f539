"""Reads a story and lives it: see README.md for what its lines mean."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import structs

from syncd.errors import AccountUnreadable, AnswerLost, Refused, ScopeMissing, SourceError, SyncdError
from syncd.ledger import record
from syncd.model import (
    EFFECTS,
    Action,
    CycleReport,
    Decision,
    GroupUse,
    Limits,
    Mode,
    Policy,
    Reason,
    Status,
    Trigger,
)
from syncd.operations import approve, holds, manual
from syncd.operations.cycle import Run, run_cycle
from syncd.operations.undo import wanted_by_undo
from syncd.planning.windows import KNOWN_LEAVERS, Window, Windows
from tests.fakes import Company

SPANS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

#: Names of policy keys whose value is a list.
LISTS = {
    "domains",
    "pilot",
    "ordinary_roles",
    "protect_accounts",
    "protect_groups",
    "protect_directory_groups",
    "ignore_people",
    "sentinels",
}

#: Notes for which an account in step is told of.
OWNERSHIP = {"address_taken", "owner_changed", "claimed_by_alias"}

REQUEST = manual.Request(by="Kim", because="a story")


class Crash(Exception):
    """The process ends here, without a word."""


def span(text: str) -> timedelta:
    """``90s``, ``15m``, ``4h``, ``7d``."""
    return timedelta(**{SPANS[text[-1]]: float(text[:-1])})


@dataclass
class Step:
    """One line of a story, with the lines expected below it."""

    line: str
    expected: list[str] = field(default_factory=list)


def steps_of(path: Path) -> tuple[str, list[Step]]:
    """The paragraph of why, and the steps. Raises ValueError when a story does not say why."""
    why, _, rest = path.read_text().partition("\n\n")
    if not why.strip() or ":" in why.split()[0]:
        raise ValueError(f"{path.name} does not begin with a paragraph of why")
    steps: list[Step] = []
    for raw in rest.splitlines():
        line = raw.partition("#")[0].rstrip()
        if not line:
            continue
        if line.startswith(" "):
            steps[-1].expected.append(line.removeprefix("    "))
        else:
            steps.append(Step(line))
    return why, steps


class Story:
    """A company and what happened to it so far."""

    def __init__(self) -> None:
        self.company = Company()
        self.company.concurrency = 1  # so that "before write 2" means the same every time
        self.policy = Policy("zoom-account", ("corp.example",), grace=timedelta(0), reactivate_reads=1, protect_groups=("Rooms",))
        self.last: CycleReport | None = None
        self.writes_told = 0

    # ------------------------------------------------------------------------------------------------------- the steps

    async def live(self, line: str) -> list[str]:
        """Takes one step and says what came of it."""
        verb, _, rest = line.partition(" ")
        told = await getattr(self, "_" + verb.rstrip(":").replace("-", "_"))(rest.strip())
        return told or []

    async def _policy(self, rest: str) -> None:
        limits = {one.name for one in fields(Limits)}
        for setting in rest.split():
            name, _, text = setting.partition("=")
            value = self._value(name, text)
            if name in limits:
                self.policy = replace(self.policy, limits=replace(self.policy.limits, **{name: value}))
            else:
                self.policy = replace(self.policy, **{name: value})

    def _value(self, name: str, text: str) -> Any:
        if name in LISTS:
            return tuple(item for item in text.split(",") if item)
        if name == "domain_aliases":
            return tuple(tuple(pair.split(">")) for pair in text.split(","))
        if (name.startswith("grace") and name != "grace_reads") or name == "max_clock_skew":
            return span(text)
        if text in ("yes", "no", "none"):
            return {"yes": True, "no": False, "none": None}[text]
        return float(text) if "percent" in name and name != "percent_floor" else int(text) if text.isdigit() else text

    async def _crowd(self, rest: str) -> None:
        for id_ in [id_ for id_ in self.company.directory.people if id_.startswith("p-crowd")]:
            del self.company.directory.people[id_]
        for number in range(int(rest.split(maxsplit=1)[0])):
            self.company.person(f"crowd{number:03}")
            if "people" not in rest and f"z-crowd{number:03}" not in self.company.zoom.accounts:
                self.company.account(f"crowd{number:03}")

    async def _both(self, rest: str) -> None:
        self.company.employ(*rest.split())

    async def _person(self, rest: str) -> None:
        words, _, addresses = rest.partition(" as ")
        name, *facts = words.split()
        if "gone" in facts:
            del self.company.directory.people[f"p-{name}"]
            return
        self.company.person(
            name,
            entitled="entitled" in facts,
            addresses=[address for address in addresses.replace("+", ",").split(",") if address],
            mains=1 + addresses.partition(",")[0].count("+"),
            unclean=tuple(fact.removeprefix("unclean=") for fact in facts if fact.startswith("unclean=")),
            number=next((fact.removeprefix("number=") for fact in facts if fact.startswith("number=")), ""),
            enabled="disabled" not in facts,
            expires_at=self.company.clock.now() - timedelta(hours=1) if "expired" in facts else None,
            leaver_by=("Leavers",) if "leaver" in facts else (),
            protected_by=("Legal Hold",) if "protected" in facts else (),
            guest="guest" in facts,
            unclear="userAccountControl is unreadable" if "unclear" in facts else "",
        )
        if "nameless" in facts:
            self.company.directory.people[f"p-{name}"] = structs.replace(
                self.company.directory.people[f"p-{name}"], mains=(), aliases=()
            )

    async def _account(self, rest: str) -> None:
        name, status, *facts = rest.split()
        if status == "gone":
            del self.company.zoom.accounts[f"z-{name}"]
            return
        named = dict(fact.split("=") for fact in facts if "=" in fact)
        role = {"none": None}.get(named.get("role", "2"), named.get("role", "2"))
        before = self.company.zoom.accounts.get(f"z-{name}")
        type_ = int(named["type"]) if "type" in named else before.type if before is not None else 2
        self.company.account(
            name,
            Status(status),
            role,
            type=type_,
            room="room" in facts,
            group_ids=(named["group"],) if "group" in named else (),
            email=self.company.address(named.get("as", name)),
        )

    async def _step_in(self, rest: str) -> None:
        """Moves somebody into another entitling group."""
        name, group = rest.split(" ", 1)
        people = self.company.directory.people
        people[f"p-{name}"] = structs.replace(people[f"p-{name}"], entitled_by=(group,))

    async def _group(self, rest: str) -> None:
        rest, _, id_ = rest.partition(" as ")
        name, use = rest.rsplit(" ", 1)
        if id_:
            self.company.directory.group_ids[name] = id_
        if use == "zoom":
            self.company.zoom.groups[f"g-{name}"] = name
        else:
            self.company.directory.groups[name] = GroupUse(use)

    async def _written(self, rest: str) -> None:
        """When the directory's file was written: ``today`` or so long ago."""
        ago = timedelta(0) if rest == "today" else span(rest.split(maxsplit=1)[0])
        self.company.directory.as_of = self.company.clock.now() - ago

    async def _unresolved(self, rest: str) -> None:
        self.company.directory.unresolved = tuple(rest.split())

    async def _after(self, rest: str) -> None:
        self.company.clock.pass_time(span(rest))

    async def _window(self, rest: str) -> None:
        """``deny 62h``: from this minute on, ``deny 62h in 10m``: from then on; ``for everything``: known leavers and
        reactivations, too."""
        rest, _, everything = rest.partition(" for ")
        lasts, _, later = rest.removeprefix("deny ").partition(" in ")
        at = self.company.clock.now() + span(later or "0s")
        applies = frozenset({Action.DEACTIVATE, Action.REACTIVATE} if everything else {Action.DEACTIVATE})
        begins = f"{at.minute} {at.hour} {at.day} {at.month} *"
        window = Window(True, begins, span(lasts), "UTC", applies, frozenset() if everything else KNOWN_LEAVERS)
        self.company.windows = Windows((*self.company.windows.windows, window))

    async def _offset(self, rest: str) -> None:
        which, size = rest.split()
        seconds = span(size).total_seconds()
        if which == "zoom":
            self.company.zoom.offset_seconds = seconds
        else:
            self.company.directory.offset_seconds = seconds

    async def _credential(self, rest: str) -> None:
        self.company.credential = rest

    async def _lease(self, rest: str) -> None:
        self.company.leadership.leading = rest == "held"

    async def _stop(self, rest: str) -> None:
        self.company.stopping = rest != "no more"

    async def _ledger(self, rest: str) -> None:
        self.company.ledger.refuse_after = len(self.company.ledger.entries) if rest == "full" else None

    async def _broken(self, rest: str) -> None:
        self.company.ledger._history = replace(self.company.ledger._history, broken=rest)

    async def _pause(self, rest: str) -> None:
        await self.company.ledger.append([record.paused(by="Kim", because="a story")])

    async def _resume(self, rest: str) -> None:
        await self.company.ledger.append([record.resumed(by="Kim", because="a story")])

    async def _hold(self, rest: str) -> None:
        name, _, lasts = rest.partition(" for ")
        until = self.company.clock.now() + span(lasts) if lasts else None
        await self.company.ledger.append([record.held(f"z-{name}", by="Kim", because="a story", until=until, personal=None)])

    async def _release(self, rest: str) -> None:
        await holds.release(self.company.deps, [self.company.address(rest)], REQUEST)

    async def _approve(self, rest: str) -> list[str]:
        rest, _, by = rest.partition(" by ")
        guards, _, lasts = rest.partition(" for ")
        by = by or "Kim"
        assert self.last is not None
        assert self.last.plan is not None
        return await self._or_refused(
            approve.approve(
                self.company.deps,
                self.policy,
                Mode.ENFORCE,
                approve.Asked(self.last.plan.digest, guards.split(), by, "a story", span(lasts or "24h")),
            )
        )

    async def _directory(self, rest: str) -> None:
        error = SourceError("directory", "the server answered with result 52, unavailable")
        self.company.directory.fails = error if rest == "fails" else None
        self.company.directory.look_fails = error if rest.startswith("fails") else None

    async def _zoom(self, rest: str) -> None:
        words = rest.split()
        if words in (["fails"], ["works"]):
            self.company.zoom.fails = SourceError("zoom", "the walk did not tie out") if words == ["fails"] else None
            return
        if words in (["looks", "fail"], ["looks", "work"]):
            error = SourceError("zoom", "the connection was reset")
            self.company.zoom.look_fails = error if words == ["looks", "fail"] else None
            return
        if words[1] == "odd":
            self.company.zoom.odd[f"z-{words[0]}"] = AccountUnreadable(
                f"zoom: account z-{words[0]} could not be read", zoom_id=f"z-{words[0]}", answer=" ".join(words[2:])
            )
            return
        if words[1:] == ["list", "stays"]:
            self.company.zoom.listed[f"z-{words[0]}"] = self.company.zoom.accounts[f"z-{words[0]}"]
            return
        if words[1:] in (["unlisted"], ["listed"]):
            self.company.zoom.listed.pop(f"z-{words[0]}", None)
            which = "*" if words[0] == "*" else f"z-{words[0]}"
            (self.company.zoom.unlisted.add if words[1] == "unlisted" else self.company.zoom.unlisted.discard)(which)
            return
        if words[1:] == ["plain"]:
            del self.company.zoom.odd[f"z-{words[0]}"]
            return
        who, operation, *what = words
        key = ("*" if who == "*" else f"z-{who}", operation)
        answers = self.company.zoom.answers
        if what[0] == "obeys":
            answers.pop(key, None)
            self.company.zoom.ignores.discard(key[0])
        elif what[0] == "ignores":
            self.company.zoom.ignores.add(key[0])
        elif what[0] == "refuses":
            answers[key] = (Refused("Zoom refused", kind=what[1], code=200 if what[1] == "account" else 400), False)
        elif what[0] == "loses":
            answers[key] = (AnswerLost("the connection was reset"), "does" in what)
        else:
            answers[key] = (ScopeMissing("zoom", "the app lacks a scope", scope="user:update:status:admin"), False)

    async def _before(self, rest: str) -> None:
        """``write N: STEP`` or ``look: STEP``: once, while the next cycle runs."""
        when, _, step = rest.partition(": ")
        done: list[str] = []

        def look() -> None:
            if not done:
                done.append(step)
                self._now(step)

        begun = len(self.company.zoom.writes)

        def write(sent: int) -> None:
            if sent - begun == int(when.split()[1]) - 1:
                look()

        if when == "look":
            self.company.zoom.before_look = look
        elif when == "directory look":
            self.company.directory.before_look = look
        else:
            self.company.zoom.before_write = write

    async def _crash(self, rest: str) -> None:
        """``at write N`` (before Zoom does it) or ``after write N``: the process dies there in the next cycle."""
        moment, _, number = rest.split()
        at = len(self.company.zoom.writes) + int(number) - (1 if moment == "at" else 0)

        def write(sent: int) -> None:
            if sent == at:
                raise Crash

        def look() -> None:
            if len(self.company.zoom.writes) == at:
                raise Crash

        self.company.zoom.before_write = write
        if moment == "after":
            self.company.zoom.before_look = look

    def _now(self, step: str) -> None:
        """Takes a step inside a running cycle: none of those a story takes there waits for anything."""
        coroutine = self.live(step)
        try:
            while True:
                coroutine.send(None)
        except StopIteration:
            pass

    # ------------------------------------------------------------------------------------------------------- the cycles

    async def _plan(self, rest: str) -> list[str]:
        return await self._cycle(Run(Mode.ENFORCE, Trigger.PLAN), shown=True)

    async def _report(self, rest: str) -> list[str]:
        return await self._cycle(Run(Mode.REPORT, Trigger.SCHEDULE, await self._term()))

    async def _enforce(self, rest: str) -> list[str]:
        return await self._cycle(Run(Mode.ENFORCE, Trigger.SCHEDULE, await self._term(), only_plan=self._only(rest)))

    def _only(self, rest: str) -> str:
        if not rest:
            return ""
        assert rest == "the last plan"
        assert self.last is not None
        assert self.last.plan is not None
        return self.last.plan.digest

    async def _term(self) -> int:
        async with self.company.ledger.writer(None) as term:
            return term

    async def _cycle(self, run: Run, *, shown: bool = False) -> list[str]:
        entries = len(self.company.ledger.entries)
        try:
            self.last = await run_cycle(self.company.deps, self.policy, run)
        except SyncdError as error:
            return [f"fails {error.exit_code}: {re.sub(r'[0-9a-f]{12}', 'DIGEST', error.what)}"]
        except (Crash, ExceptionGroup) as error:
            if not isinstance(error, Crash) and error.split(Crash)[1] is not None:
                raise
            return ["crashed"]
        finally:
            self.company.zoom.before_look = self.company.directory.before_look = lambda: None
            self.company.zoom.before_write = lambda _: None
        if run.term is None and len(self.company.ledger.entries) != entries:
            raise AssertionError("a dry run wrote into the ledger")
        return list(self._told(self.last, shown=shown))

    async def _by(self, rest: str) -> list[str]:
        _, verb, *words = rest.split()
        request = replace(
            REQUEST,
            while_paused="while-paused" in words,
            confirm_count=next((int(w.removeprefix("confirm=")) for w in words if w.startswith("confirm=")), None),
        )
        names = [self.company.address(word) for word in words if word != "while-paused" and not word.startswith("confirm=")]
        wanted = await manual.wanted_by_address(self.company.deps, self.policy, names, Action(verb), request)
        return await self._by_hand(wanted, request, Trigger.ACCOUNT)

    async def _undo(self, rest: str) -> list[str]:
        assert self.last is not None
        wanted = (await wanted_by_undo(self.company.deps, self.policy, self.last.cycle_id, REQUEST)).wanted
        return await self._by_hand(
            wanted,
            REQUEST,
            Trigger.UNDO,
            undo_of=self.last.cycle_id,
            hold=[account.zoom_id or "" for account in (*(effect.account for effect in wanted.effects), *wanted.already)],
        )

    async def _by_hand(
        self, wanted: manual.Wanted, request: manual.Request, trigger: Trigger, undo_of: str = "", hold: Sequence[str] = ()
    ) -> list[str]:
        tripped = [f"{one.guard.value} {one.measured} > {one.limit}" for one in wanted.verdicts if one.tripped]
        if tripped:
            return ["refused 3", *tripped]
        report = await manual.execute_request(
            self.company.deps,
            self.policy,
            Mode.ENFORCE,
            wanted,
            request,
            await self._term(),
            trigger=trigger,
            undo_of=undo_of,
            hold=hold,
        )
        return [*self._told(report), *(f"{address} is unknown" for address in wanted.unknown)]

    async def _or_refused(self, work: object) -> list[str]:
        try:
            await work  # type: ignore[misc]
        except SyncdError as error:
            return [f"refused {error.exit_code}"]
        return []

    async def _writes(self, rest: str) -> list[str]:
        sent = [
            f"{operation} {id_.removeprefix('z-')}"
            for operation, id_ in self.company.zoom.writes[self.writes_told :]
            if not id_.startswith("z-crowd")
        ]
        crowd = len(self.company.zoom.writes[self.writes_told :]) - len(sent)
        self.writes_told = len(self.company.zoom.writes)
        return [*sent, *([f"{crowd} in the crowd"] if crowd else [])] or ["none"]

    # ------------------------------------------------------------------------------------------------------ what was said

    def _told(self, report: CycleReport, *, shown: bool = False) -> Iterator[str]:
        yield f"{report.result.value} {report.exit_code}" + (f" {report.why}" if "ended early" in report.why else "")
        for verdict in report.verdicts:
            if verdict.tripped:
                yield f"{verdict.guard.value} {verdict.measured:g} > {verdict.limit:g}"
        for decision in report.plan.decisions if report.plan is not None else ():
            name = (decision.account.zoom_id or decision.account.email).removeprefix("z-")
            quiet = decision.reason is Reason.IN_STEP and OWNERSHIP.isdisjoint(decision.notes)
            if quiet or (name.startswith("crowd") and decision.action is Action.KEEP):
                continue
            yield " ".join([name, decision.action.value, decision.reason.value, *decision.notes, *self._due(decision)])
            if decision.action in EFFECTS and not shown:
                yield "    " + self._ended(report, decision)

    def _due(self, decision: Decision) -> Iterator[str]:
        if decision.reason is Reason.WITHIN_GRACE and decision.due_at is not None:
            left = decision.due_at - self._made_at(decision)
            yield f"due in {left.total_seconds() / 3600:g}h" if left > timedelta(0) else "after the next read"

    def _made_at(self, decision: Decision) -> datetime:
        assert self.last is not None
        assert self.last.plan is not None
        return self.last.plan.made_at

    def _ended(self, report: CycleReport, decision: Decision) -> str:
        held = report.held.get(decision.key)
        if held:
            return "held by " + " ".join(guard.value for guard in held)
        outcome = report.outcomes.get(decision.key)
        if outcome is None:
            return "reported"
        return " ".join(filter(None, [outcome.outcome.value, outcome.reason]))


async def lived(path: Path) -> list[tuple[str, list[str], list[str]]]:
    """Every step of a story with what was expected and what came of it; steps that say nothing expect nothing."""
    _, steps = steps_of(path)
    story = Story()
    result = []
    for step in steps:
        said = await story.live(step.line)
        await asyncio.sleep(0)
        result.append((step.line, step.expected, said))
    return result

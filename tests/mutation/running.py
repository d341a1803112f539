"""Asks the tests about mutants: one pytest collects them and then forks a process for each mutant, which plants it and runs
the tests that enter the changed function until one fails: first those that killed others of this function, then the quick ones.

Which tests those are is measured at the start, which also shows that all of them pass without a mutant. Nothing here depends
on how busy the machine is: what a test may take is counted in seconds of CPU; the wall clock only ends what waits for ever.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import selectors
import signal
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.mutation.planting import Mutant, planted, watch

#: What a decision is made of, and how the stories say it turns out. All of them run inside of this process.
TESTS = (
    "tests/planning",
    "tests/scenarios/test_stories.py",
    "tests/model",
    "tests/operations",
    "tests/execution",
    "tests/ledger/test_history.py",
    "tests/ledger/test_folds.py",
    "tests/ledger/test_clocks.py",
)
_PLAIN = ("-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:terminal", "-o", "timeout=0", "-o", "addopts=--strict-markers")
#: A mutant may make a loop endless: it dies when a test needs so many times the CPU it needs without one, and some seconds.
CPU_TIMES, CPU_MORE = 10, 5
#: And it may wait for what never comes. Long enough for the slowest machine: who lives must not die of this.
WAITS_SECONDS = 900


class Outcome(NamedTuple):
    """What the tests said to a mutant. *by*: the test that failed, or else why it died, or how many it lived through."""

    mutant: Mutant
    killed: bool
    by: str
    seconds: float  # of CPU


class Measured(NamedTuple):
    """What some tests do without a mutant."""

    failed: tuple[str, ...]
    cpu: dict[str, float]  # node id -> seconds of CPU
    enters: dict[str, frozenset[str]]  # node id -> ``file::function`` it runs through

    def asked_about(self, mutant: Mutant) -> list[str]:
        """The node ids of the tests that run through the changed function, the quick ones first."""
        name = f"{mutant.file}::{mutant.function}"
        return sorted((test for test, entered in self.enters.items() if name in entered), key=lambda test: (self.cpu[test], test))


class Tests:
    """The collected tests, within the pytest that collected them. Properties are slow to say no: they are asked, and measured,
    only about what every example let live."""

    def __init__(self, session: pytest.Session, files: Sequence[str], at_once: int) -> None:
        self._session, self._files, self._at_once = session, files, at_once
        self._items = {item.nodeid: item for item in session.items}
        self._killers: Counter[tuple[str, str]] = Counter()  # (function, test)
        gc.freeze()
        self.examples = self._measure([id_ for id_, item in self._items.items() if item.get_closest_marker("hypothesis") is None])

    @cached_property
    def properties(self) -> Measured:
        """Those of the tests that try many examples."""
        return self._measure([id_ for id_, item in self._items.items() if item.get_closest_marker("hypothesis") is not None])

    def judge(self, mutants: Iterable[Mutant], *, quick: bool = False) -> Iterator[Outcome]:
        """Each of them, as soon as it is known, *at_once* at a time. *quick*: properties are not asked."""
        running: dict[int, _Asked] = {}
        lived: deque[Outcome] = deque()  # through the examples
        waiting = iter(mutants)
        with selectors.DefaultSelector() as ends:
            while True:
                while len(running) < self._at_once:
                    if lived:
                        asked = _Asked(lived[0].mutant, self._child(lived[0].mutant, self.properties), lived.popleft())
                    elif (mutant := next(waiting, None)) is not None:
                        asked = _Asked(mutant, self._child(mutant, self.examples), None)
                    else:
                        break
                    ends.register(asked.child.reads, selectors.EVENT_READ)
                    running[asked.child.reads] = asked
                if not running:
                    return
                for key, _ in ends.select():
                    if running[key.fd].child.read_on():
                        continue
                    ends.unregister(key.fd)
                    outcome, before = running[key.fd].outcome(), running.pop(key.fd).before
                    if not outcome.killed and before is None and not quick:
                        lived.append(outcome)
                        continue
                    self._killers[outcome.mutant.function, outcome.by] += 1
                    yield outcome

    def _child(self, mutant: Mutant, measured: Measured) -> _Child:
        """Begins to ask."""
        tests = measured.asked_about(mutant)
        tests.sort(key=lambda test: -self._killers[mutant.function, test])  # what killed its like goes first

        def work(write: Callable[[bytes], object]) -> bool:
            with planted(mutant):
                for test, _, failed in self._run(tests, measured):
                    if failed:
                        write(test.encode())
                        return False
            write(f"{len(tests)} tests".encode())
            return True

        return _Child(work)

    def _run(self, tests: Sequence[str], measured: Measured | None = None) -> Iterator[tuple[str, float, bool]]:
        """Each test, its seconds of CPU, and whether it failed."""
        failed: list[str] = []

        class Listener:
            def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
                if report.failed:
                    failed.append(report.nodeid)

        listener = Listener()
        self._session.config.pluginmanager.register(listener)
        for at, test in enumerate(tests):
            item = self._items[test]
            after = self._items[tests[at + 1]] if at + 1 < len(tests) else None
            if measured is not None:
                signal.setitimer(signal.ITIMER_PROF, CPU_MORE + CPU_TIMES * measured.cpu[test])
            began = time.process_time()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
            yield test, time.process_time() - began, bool(failed)
            failed.clear()

    def _measure(self, tests: Sequence[str]) -> Measured:
        """Runs them once, in as many processes as there may be. Raises AssertionError when one fails: a red test would kill
        every mutant."""
        parts = [_Child(partial(self._watch, tests[at :: self._at_once])) for at in range(self._at_once)]
        found = Measured((), {}, {})
        for part in parts:
            while part.read_on():
                pass
            assert part.ended()[0] == 0, "a process that measures the tests ended early"
            one: Measured = pickle.loads(part.said)
            found = Measured(found.failed + one.failed, found.cpu | one.cpu, found.enters | one.enters)
        assert not found.failed, f"without any mutant fail: {', '.join(found.failed)}"
        return found

    def _watch(self, tests: Sequence[str], write: Callable[[bytes], object]) -> bool:
        """In a child."""
        entered: set[str] = set()
        watch(self._files, entered.add)
        failures, cpu, enters = [], {}, {}
        for test, seconds, failed in self._run(tests):
            cpu[test], enters[test] = seconds, frozenset(entered)
            entered.clear()
            if failed:
                failures.append(test)
        write(pickle.dumps(Measured(tuple(failures), cpu, enters)))
        return True


class _Child:
    """A forked process and what it says."""

    def __init__(self, work: Callable[[Callable[[bytes], object]], bool]) -> None:
        self.said = b""
        self.reads, writes = os.pipe()
        self._pid = os.fork()
        if self._pid:
            os.close(writes)
            return
        code = 2
        try:
            os.close(self.reads)
            for sign in (signal.SIGPROF, signal.SIGALRM):
                signal.signal(sign, signal.SIG_DFL)  # ends it, and so the mutant
            signal.alarm(WAITS_SECONDS)
            with (
                tempfile.TemporaryDirectory() as folder,
                Path(os.devnull).open("w") as nowhere,
                contextlib.redirect_stdout(nowhere),
                contextlib.redirect_stderr(nowhere),
                os.fdopen(writes, "wb") as pipe,
            ):
                os.environ["PYTEST_DEBUG_TEMPROOT"] = folder  # tmp_path of each process is its own
                code = 0 if work(pipe.write) else 1
        finally:
            os._exit(code)

    def read_on(self) -> bool:
        """Whether there may be more to read."""
        more = os.read(self.reads, 1 << 16)
        self.said += more
        return bool(more)

    def ended(self) -> tuple[int, float]:
        """Its exit code, negative the signal that ended it; and the seconds of CPU it took."""
        os.close(self.reads)
        _, status, used = os.wait4(self._pid, 0)
        return os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime


class _Asked(NamedTuple):
    """A mutant and who is asked about it. *before*: what came of it before, if anything."""

    mutant: Mutant
    child: _Child
    before: Outcome | None

    def outcome(self) -> Outcome:
        """What became of the mutant."""
        code, cpu = self.child.ended()
        how = {-signal.SIGPROF: "never ends", -signal.SIGALRM: "waits for ever"}.get(code, f"its process ended with {code}")
        return Outcome(
            self.mutant,
            code != 0,
            self.child.said.decode() or how,
            cpu + (self.before.seconds if self.before is not None else 0.0),
        )


class _Taking:
    """The plugin that takes over once pytest has collected the tests."""

    def __init__(self, files: Sequence[str], at_once: int, work: Callable[[Tests], object]) -> None:
        self._files, self._at_once, self._work = files, at_once, work
        self.raised: BaseException | None = None

    def pytest_configure(self) -> None:
        """Properties try the same examples each time, and do not look for the shortest."""
        from hypothesis import Phase, settings  # not before pytest has seen to it

        from tests.planning.strategies import NOW  # noqa: F401   loads a profile of its own

        settings.register_profile(
            "mutants", settings.get_profile("syncd"), database=None, derandomize=True, phases=(Phase.explicit, Phase.generate)
        )
        settings.load_profile("mutants")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of running the tests."""
        assert not session.testsfailed, "the tests cannot be collected"
        self._work(Tests(session, self._files, self._at_once))
        return True

    def pytest_internalerror(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """What was raised above."""
        self.raised = excinfo.value


def with_tests(files: Sequence[str], at_once: int, work: Callable[[Tests], object], tests: Sequence[str] = TESTS) -> None:
    """Collects the tests and calls *work* with them. Raises AssertionError when one fails without a mutant: a red test would
    kill every mutant."""
    taking = _Taking(files, at_once, work)
    code = pytest.main([*_PLAIN, *tests], plugins=[taking])
    if taking.raised is not None:
        raise taking.raised
    assert code in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED), f"pytest ended with {code}"

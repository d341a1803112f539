"""``make mutate``: mutants of the decision core against its tests and the stories; what lived, and the share that died."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.mutation.accepted import accepted
from tests.mutation.generated import CORE, sample
from tests.mutation.named import NAMED
from tests.mutation.planting import Mutant
from tests.mutation.running import Outcome, Tests, with_tests


def main() -> int:
    """0: all named ones died, at least the asked share of the others did, and no accepted one. A sample leaves out those."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--size", type=int, default=150, help="so many mutants; 0: all, the accepted ones included")
    parser.add_argument("--least", type=float, default=97.0, help="the share in percent that has to die")
    parser.add_argument("--minutes", type=float, default=0.0, help="begin no further mutant after this time; 0: no limit")
    parser.add_argument("--at-once", type=int, default=2, help="processes")
    parser.add_argument("--quick", action="store_true", help="ask examples and stories only, and no properties")
    parser.add_argument("--only", default="", help="only files whose name contains this")
    parser.add_argument("--out", type=Path, help="writes what became of each, as JSON lines")
    asked = parser.parse_args()
    began = time.monotonic()
    allowed = frozenset(accepted())
    without = allowed if asked.size else frozenset()  # the whole run asks whether they still live
    files = [file for file in CORE if asked.only in file]
    out = asked.out.open("w", encoding="utf-8") if asked.out else None
    named: list[Outcome] = []
    found: list[Outcome] = []

    def until_late(mutants: Iterable[Mutant]) -> Iterator[Mutant]:
        for mutant in mutants:
            if asked.minutes and time.monotonic() - began > asked.minutes * 60:
                return
            yield mutant

    def work(tests: Tests) -> None:
        for into, mutants in (
            (named, [one.mutant() for one in NAMED if not asked.only]),
            (found, until_late(sample(asked.seed, asked.size, files, without))),
        ):
            for outcome in tests.judge(mutants, quick=asked.quick):
                into.append(outcome)
                if not outcome.killed and outcome.mutant.key not in allowed:
                    say(f"lives: {outcome.mutant.key}")
                elif outcome.killed and outcome.mutant.key in allowed:
                    say(f"dies, take it out of accepted.txt: {outcome.mutant.key}")
                if out is not None:
                    out.write(json.dumps([outcome.mutant.key, outcome.killed, outcome.by, round(outcome.seconds, 2)]) + "\n")
                    out.flush()

    # Who enters a function is known for those files: a named one may have moved out of the core.
    with_tests(tuple(dict.fromkeys([*CORE, *(one.file for one in NAMED)])), asked.at_once, work)
    died = sum(one.killed for one in found)
    share = 100 * died / len(found) if found else 0.0
    if named:
        say(f"named: {sum(one.killed for one in named)} of {len(named)} died")
    say(
        f"mutants: {died} of {len(found)} died ({share:.1f} %), seed {asked.seed}, {time.monotonic() - began:.0f} s"
        f"; {len(allowed)} accepted"
    )
    dies = any(one.killed and one.mutant.key in allowed for one in found)
    return 0 if share >= asked.least and all(one.killed for one in named) and not dies else 1


def say(line: str) -> None:
    """For whoever waits."""
    print(line, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())

"""What must not grow with the company. How long it takes is measured by ``tests/benchmarks/plan_100k.py``."""

from __future__ import annotations

from syncd.cli.common import run


def test_the_result_of_a_verb_is_never_spelled_out() -> None:
    """asyncio.run restores signal handlers through enum, which would write down the whole report and drop it."""
    spelled: list[str] = []

    class Report:
        def __repr__(self) -> str:
            spelled.append("all of it")
            return "…"

    async def work() -> Report:
        return Report()

    assert isinstance(run(work()), Report)
    assert [] == spelled

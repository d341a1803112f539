"""One live line on a terminal while something takes its time."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.status import Status

from syncd import events

#: What turns while one waits, where the stream can write it; else one of ASCII.
_TURNING = "dots"
_TURNING_ASCII = "line"


def live_line(stream: TextIO, text: str = "") -> Status:
    """A line that is written over and gone at the end: without colours, which a theme might hide, in characters the stream can
    write."""
    try:
        "⠋⠿".encode(stream.encoding or "utf-8")
        spinner = _TURNING
    except UnicodeEncodeError:
        spinner = _TURNING_ASCII
    console = Console(file=stream, highlight=False, markup=False, no_color=True)
    return Status(text, console=console, spinner=spinner, spinner_style="")


class Progress:
    """Tell: shows what is going on right now, and nothing once it is over."""

    def __init__(self, stream: TextIO) -> None:
        self._status = live_line(stream)
        self._done: dict[str, int] = {}

    def __call__(self, event: events.Event) -> None:
        """Shows what happened; what is no step of a cycle is left out."""
        match event:
            case events.CycleStarted():
                self._done.clear()
                self._show("reading")
            case events.ReadProgress(items=items, total=int(total)) if items >= total:
                self._status.stop()  # something is printed or asked now, or the next step shows itself
            case events.ReadProgress(what=what, items=items, total=total):
                self._show(
                    f"reading {'Zoom' if what == 'zoom' else 'the directory'}: {items:,}" + (f" of {total:,}" if total else "")
                )
            case events.PlanMade():
                self._show("judging the plan")
            case events.EffectSettled(outcome=outcome):
                self._done[outcome] = self._done.get(outcome, 0) + 1
                self._show("carrying out: " + ", ".join(f"{count} {name}" for name, count in self._done.items()))
            case events.RetryScheduled(service=service, reason=reason, wait_seconds=wait):
                self._show(f"{service}: {reason}, trying again in {wait:.0f} s")
            case events.CycleEnded() | events.SourceUnreadable():
                self._status.stop()
            case _:
                pass

    def _show(self, text: str) -> None:
        self._status.update(text)
        self._status.start()

"""What a SIGTERM means while nothing else looks after it: the end, at once. Imports next to nothing, so that it can come first.

As the first process of a container a program without a handler never hears a SIGTERM: the kernel drops it. So one is set by
the very first instructions, before anything heavy is imported, and again whenever a verb's own handlers end.
"""

from __future__ import annotations

import os
import signal
import sys

#: Exit status of a verb that was ended so: what a shell shows for the signal.
ENDED = 128 + signal.SIGTERM


def end_on_sigterm() -> None:
    """From here on a SIGTERM ends the process at once. Whoever changes anything sets a handler of its own while it does: the
    write in hand is finished (see ``cli.common.signals``)."""
    signal.signal(signal.SIGTERM, _end)


def _end(number: int, frame: object) -> None:  # noqa: ARG001 (a signal handler)
    # Not by an exception: threads that wait for a service would be waited for, and nothing is left to be tidied up. A daemon
    # that is asked to stop before it began has done all there was to do.
    os._exit(0 if "run" in sys.argv[1:] else ENDED)

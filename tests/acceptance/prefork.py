"""Starts ``python -m syncd`` quickly: a process that has imported everything forks one child per run.

The child is a process of its own with its own streams, environment, folder and exit, as if started afresh; only the imports,
which take longer than most runs, were done before. Used for one-shot verbs; daemons and terminals get a real start.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Prefork:
    """The parent's side: asks for runs, one at a time."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._ours, theirs = socket.socketpair()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.prefork", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=dict(environment),
            cwd=environment["PYTHONPATH"],
        )
        theirs.close()
        self._lines = self._ours.makefile("rw", encoding="utf-8")

    def run(
        self,
        arguments: tuple[str, ...],
        folder: Path,
        environment: Mapping[str, str],
        seconds: float,
        killed_after: float | None = None,
    ) -> tuple[int, str, str]:
        """(exit code, standard output, standard error) of one run. *killed_after*: so many seconds after its start it gets
        SIGKILL, wherever it is; -9 unless it had ended."""
        self._ours.settimeout(seconds)
        with tempfile.TemporaryDirectory() as streams:
            out, err = Path(streams, "out"), Path(streams, "err")
            order = {
                "argv": list(arguments),
                "cwd": str(folder),
                "env": dict(environment),
                "out": str(out),
                "err": str(err),
                "killed_after": killed_after,
            }
            self._lines.write(json.dumps(order) + "\n")
            self._lines.flush()
            code = int(self._lines.readline())
            return code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")

    def close(self) -> None:
        """Ends the process."""
        self._lines.close()
        self._ours.close()
        self._process.wait(30)


def serve(channel: socket.socket) -> None:
    """The child's side: forks for every order; returns when the channel closes, and in every forked process."""
    with channel.makefile("rw", encoding="utf-8") as lines:
        for line in lines:
            order = json.loads(line)
            child = os.fork()
            if child == 0:
                _become(order)
                return
            if order["killed_after"] is not None:
                time.sleep(order["killed_after"])  # an ended child keeps its id until it is waited for
                os.kill(child, signal.SIGKILL)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            lines.write(f"{code}\n")
            lines.flush()
    os._exit(0)


def _become(order: dict[str, Any]) -> None:
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, order["out"], os.O_WRONLY | os.O_CREAT),
        (2, order["err"], os.O_WRONLY | os.O_CREAT),
    ):
        descriptor = os.open(path, flags, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    sys.argv = ["syncd", *order["argv"]]


if __name__ == "__main__":
    for name in (
        "cli",
        "app",
        "operations.manual",
        "operations.inspect",
        "operations.approve",
        "reports.cycle",
        "reports.document",
        "reports.terminal",
    ):
        importlib.import_module(f"syncd.{name}")
    serve(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module("syncd", run_name="__main__", alter_sys=True)

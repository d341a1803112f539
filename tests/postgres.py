"""A real PostgreSQL server on loopback for tests; every test gets a database of its own."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.ports import free_port


def programs() -> Path | None:
    """Where Debian keeps the server's programs; the newest version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


def missing() -> str:
    """Why there can be no server here, or nothing."""
    if programs() is None:
        return "no PostgreSQL server (package postgresql)"
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        return "PostgreSQL does not run as root, and there is no setpriv (package util-linux)"
    return ""


@dataclass
class Server:
    """A server that can be stopped and started again. Everybody on loopback is trusted: it lives for one test run."""

    folder: Path
    port: int
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def start(self) -> None:
        """Starts it and waits until it answers. Raises RuntimeError with what it wrote to its log."""
        log = self.folder / "log"
        try:
            self._control(
                "start",
                "-w",
                "-o",
                f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
                f"{self.folder} -c fsync=off -c max_connections=40",
                "-l",
                str(log),
            )
        except RuntimeError as error:
            raise RuntimeError(f"{error}{log.read_text(encoding='utf-8')[-1000:] if log.exists() else ''}") from None

    def stop(self, mode: str = "fast") -> None:
        """``fast`` as an operator, ``immediate`` as a crash."""
        self._control("stop", "-m", mode)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """All its processes stopped while the block runs: connections stay, nothing answers."""
        data = str((self.folder / "data").resolve())
        ours = [int(each.name) for each in Path("/proc").iterdir() if each.name.isdigit() and _working_in(each) == data]
        for process in ours:
            os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in ours:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"ledger{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def url(self, database: str) -> str:
        """The URL of a database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def _control(self, *words: str) -> None:
        _as_postgres("pg_ctl", "-D", str(self.folder / "data"), *words)


@contextmanager
def running() -> Iterator[Server]:
    """A fresh server while the block runs, in a folder of its own that its user can walk to (pytest's are private)."""
    with tempfile.TemporaryDirectory(prefix="syncd-postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
        yield from _served(folder)


def _served(folder: Path) -> Iterator[Server]:
    _as_postgres("initdb", "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
    server = Server(folder, free_port())
    server.start()
    try:
        yield server
    finally:
        subprocess.run(
            [*_user(), str(_program("pg_ctl")), "-D", str(folder / "data"), "stop", "-m", "immediate"],
            capture_output=True,
            check=False,
        )


def _as_postgres(program: str, *words: str) -> None:
    done = subprocess.run(
        [*_user(), str(_program(program)), *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        cwd="/",
        timeout=60,
    )
    if done.returncode:
        raise RuntimeError(f"{program} failed: {done.stderr}")


def _user() -> list[str]:
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def _working_in(process: Path) -> str:
    try:
        return str((process / "cwd").readlink())
    except OSError:  # it ended meanwhile
        return ""


def _program(name: str) -> Path:
    found = programs()
    assert found is not None
    return found / name

"""A small company in a folder, and syncd as an operator meets it: a program with arguments, exit codes and two streams.

Worlds are written down as people (CSV lines) and accounts; nothing of syncd's inside is used but the simulated Zoom.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from syncd.lab.server import Serving
from syncd.lab.zoom.service import SimulatedZoom
from syncd.lab.zoom.tenant import ZoomUser, a_user
from tests.acceptance.prefork import Prefork
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
SECRET = "a-very-secret-word"
TRIGGER = "the-trigger-token"
HEADER = "id,display_name,addresses,enabled,expires_at,groups,department"
WHO = ("--by", "Ann Lee", "--because", "ticket 4711")

#: How long anything may take here before it counts as hanging.
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Ran:
    """What one run of the program left behind."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The log lines; every line of standard error must be one, but those of the closing error message."""
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]

    @property
    def said(self) -> str:
        """Everything a person gets to see."""
        return self.out + self.err

    def action_of(self, email: str) -> tuple[str, str]:
        """(action, reason) of an account in the cycle document."""
        return next((row["action"], row["reason"]) for row in self.document["decisions"] if row["email"] == email)

    def outcome_of(self, email: str) -> tuple[str | None, str | None]:
        """(outcome, reason) of an account in the cycle document."""
        return next((row["outcome"], row["outcome_reason"]) for row in self.document["decisions"] if row["email"] == email)

    def tripped(self) -> list[str]:
        """Names of the guards that tripped, in the document's order."""
        return [row["guard"] for row in self.document["guards"] if row["tripped"]]


@dataclass
class Company:
    """One company: its folder, its people, its Zoom account and its configuration."""

    folder: Path
    zoom: SimulatedZoom
    serving: Serving
    prefork: Prefork
    settings: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, str] = field(default_factory=dict)
    accepts_new: bool = True  # before a ledger is begun in enforce mode, somebody says that a new one is meant

    # ------------------------------------------------------------------------------------------------- the world

    def person(self, name: str, *, enabled: str = "", expires: str = "", groups: str = "staff", address: str = "") -> None:
        """Somebody in the directory; the same name again changes them."""
        self.rows[name] = f"{name},{name.title()} Doe,{address or f'{name}@corp.example'},{enabled},{expires},{groups},Sales"

    def leaves(self, *names: str) -> None:
        """They are no longer in the directory."""
        for name in names:
            del self.rows[name]
        self.save()

    def account(self, name: str, **fields: Any) -> ZoomUser:
        """Somebody in Zoom."""
        user = a_user(f"{name}@corp.example", **fields)
        self.zoom.tenant.put(user)
        return user

    def staff(self, count: int) -> list[str]:
        """So many people on both sides; their names."""
        names = [f"p{number:03}" for number in range(count)]
        for name in names:
            self.person(name)
            self.account(name, type=2)
        self.save()
        return names

    def save(self) -> None:
        """Writes the directory file."""
        text = "\n".join([HEADER, *self.rows.values()]) + "\n"
        new = self.folder / "people.new"
        new.write_text(text, encoding="utf-8")
        new.replace(self.people)

    @property
    def people(self) -> Path:
        return self.folder / "people.csv"

    @property
    def ledger(self) -> Path:
        return self.folder / "state" / "ledger.db"

    @property
    def reports(self) -> Path:
        return self.folder / "reports"

    @property
    def config(self) -> Path:
        return self.folder / "syncd.yaml"

    def status(self, name: str) -> str:
        """An account's status at Zoom."""
        return self.zoom.tenant.existing(f"{name}@corp.example").status

    def written(self) -> list[tuple[str, str]]:
        """Status changes that were asked of Zoom: (name, activate or deactivate), in order."""
        names = {user.id: user.email.partition("@")[0] for user in self.zoom.tenant.users}
        return [(names.get(seen.user, seen.user), seen.action) for seen in list(self.zoom.writes) if seen.action]

    # ------------------------------------------------------------------------------------------------- configuration

    def configure(self, changes: Mapping[str, Any] | None = None) -> None:
        """Writes the configuration, after merging *changes* (dotted paths; None removes a key)."""
        for path, value in (changes or {}).items():
            place = self.settings
            *inside, last = path.split(".")
            for key in inside:
                place = place.setdefault(key, {})
            if value is None:
                place.pop(last, None)
            else:
                place[last] = value
        self.config.write_text(yaml.safe_dump(self.settings, sort_keys=False), encoding="utf-8")

    # --------------------------------------------------------------------------------------------------- the program

    def syncd(self, *arguments: str, env: Mapping[str, str] | None = None, config: bool = True) -> Ran:
        """Runs ``python -m syncd`` to its end, with $SYNCD_CONFIG set unless *config* is false."""
        self.accept_a_new_ledger(arguments[0] if config and arguments else "")
        environment = {**clean_environment(), **({"SYNCD_CONFIG": str(self.config)} if config else {}), **(env or {})}
        ran = Ran(arguments, *self.prefork.run(arguments, self.folder, environment, PATIENCE_SECONDS))
        assert "Traceback" not in ran.err, ran.err
        return ran

    def killed(self, *arguments: str, after: float) -> int:
        """Runs a verb that gets SIGKILL so many seconds after its start; its exit code, -9 when that came before its end."""
        environment = {**clean_environment(), "SYNCD_CONFIG": str(self.config)}
        code, _, err = self.prefork.run(arguments, self.folder, environment, PATIENCE_SECONDS, after)
        assert "Traceback" not in err, err
        return code

    def accept_a_new_ledger(self, verb: str) -> None:
        """As the runbook has it: a ledger that would be begun in enforce mode is accepted first."""
        begins = verb in ("apply", "run", "account", "undo", "approve", "pause", "resume")
        if self.accepts_new and begins and self.settings.get("mode") == "enforce" and not self.ledger.exists():
            self.prefork.run(
                ("ledger", "accept", *WHO),
                self.folder,
                {**clean_environment(), "SYNCD_CONFIG": str(self.config)},
                PATIENCE_SECONDS,
            )

    def approve_what_is_held(self) -> str:
        """Plans, and approves the plan for the guards that hold it; its digest."""
        plan = self.syncd("plan", "--format", "json")
        digest: str = plan.document["plan_digest"]
        approved = self.syncd("approve", "--plan", digest, "--guard", *plan.tripped(), *WHO)
        assert approved.code == 0, approved.said
        return digest

    def sign(self) -> None:
        """From now on heads of the ledger are signed, with ``signing.pem`` of the folder; ``public.pem`` lies beside it."""
        private = self.folder / "signing.pem"
        openssl("genpkey", "-algorithm", "ed25519", "-out", str(private))
        openssl("pkey", "-in", str(private), "-pubout", "-out", str(self.folder / "public.pem"))
        self.configure({"reports.signing_key_file": str(private)})

    def enforcing(self) -> None:
        """Takes the ledger into enforcing use while everybody is in step, so that ``policy-changed`` is not armed."""
        self.configure({"mode": "enforce"})
        done = self.syncd("apply")
        assert done.code == 0, done.said

    @contextlib.contextmanager
    def running(self, *, env: Mapping[str, str] | None = None, listen: str = "") -> Iterator[Daemon]:
        """``syncd run`` while the body runs; ended by SIGTERM if it is still there."""
        listen = listen or f"127.0.0.1:{free_port()}"
        self.configure({"http.listen": listen})
        self.accept_a_new_ledger("run")
        number = len(list(self.folder.glob("run-*.log")))
        log = self.folder / f"run-{number}.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "syncd", "run"],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                env={**clean_environment(), "SYNCD_CONFIG": str(self.config), **(env or {})},
                stdout=stream,
                stderr=stream,
            )
        daemon = Daemon(process, f"http://{listen}", log)
        try:
            yield daemon
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    # -------------------------------------------------------------------------------------------------- the evidence

    def entries(self) -> list[dict[str, Any]]:
        """The ledger's entries, read with SQLite alone."""
        with contextlib.closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as database:
            rows = database.execute("SELECT seq, kind, cycle, subject, body FROM chain ORDER BY seq").fetchall()
        return [
            {"seq": seq, "kind": kind, "cycle": cycle, "subject": subject, "body": json.loads(body)}
            for seq, kind, cycle, subject, body in rows
        ]

    def open_intents(self) -> list[str]:
        """Intents of the ledger that have no outcome."""
        entries = self.entries()
        settled = {entry["body"]["intent"] for entry in entries if entry["kind"] == "outcome"}
        return [entry["body"]["id"] for entry in entries if entry["kind"] == "intent" and entry["body"]["id"] not in settled]

    def everything_on_disk(self) -> dict[str, tuple[int, int]]:
        """Every path below the folder with its size and time of change, folders included."""
        return {
            str(path.relative_to(self.folder)): (path.stat().st_size, path.stat().st_mtime_ns)
            for path in sorted([self.folder, *self.folder.rglob("*")])
        }


@dataclass
class Daemon:
    """A running ``syncd run``."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def get(self, path: str, *, method: str = "GET", token: str = "") -> tuple[int, str]:
        """(status, body); status 0 when nobody listens."""
        request = urllib.request.Request(self.url + path, method=method)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metrics(self) -> dict[str, float]:
        """Series with labels as written -> value."""
        values = {}
        for line in self.get("/metrics")[1].splitlines():
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                values[name] = float(value)
        return values

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """Log lines so far, of one event if named."""
        lines = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]
        return [line for line in lines if name in ("", line["event"])]

    def cycles(self) -> list[str]:
        """Results of the cycles that ended so far."""
        return [event["result"] for event in self.events("cycle.finished")]

    def wait(self, holds: Callable[[], object], what: str) -> None:
        """Waits until something holds, or fails saying what it waited for."""
        wait_until(holds, f"{what}\n{self.log.read_text(encoding='utf-8')[-3000:]}", alive=lambda: self.process.poll() is None)

    def wait_ready(self) -> None:
        """Waits until ``/readyz`` says so."""
        self.wait(lambda: self.get("/readyz")[0] == 200, "ready")

    def wait_cycles(self, count: int) -> None:
        """Waits until so many cycles ended."""
        self.wait(lambda: len(self.cycles()) >= count, f"{count} cycles")

    def sync(self) -> None:
        """Asks for a cycle and waits for its end."""
        before = len(self.cycles())
        assert self.get("/sync", method="POST", token=TRIGGER)[0] == 202
        self.wait_cycles(before + 1)

    def terminate(self) -> tuple[int, float]:
        """SIGTERM: (exit code, seconds it took)."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        return code, time.monotonic() - began

    def kill(self) -> None:
        """SIGKILL, and waits for the end."""
        self.process.kill()
        self.process.wait()


def wait_until(holds: Callable[[], object], what: str, alive: Callable[[], bool] = lambda: True) -> None:
    """Looks every few milliseconds until something holds. Fails when it takes too long or whoever does it is gone."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < until, f"waited too long for: {what}"
        assert alive() or holds(), f"the program ended while waiting for: {what}"
        time.sleep(0.02)


def clean_environment() -> dict[str, str]:
    """The environment without anything that would change how syncd behaves."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith("SYNCD_") and not name.upper().endswith("_PROXY")
    }
    return {**kept, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}


def long_ago() -> str:
    """A moment in the past, RFC 3339."""
    return datetime(2020, 1, 1, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


ADDRESS = re.compile(r"[\w.+-]+@corp\.example")


def openssl(*words: str) -> str:
    """What OpenSSL says on standard output. Raises CalledProcessError."""
    return subprocess.run(["openssl", *words], capture_output=True, text=True, check=True).stdout

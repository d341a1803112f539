"""``syncd init``: a few questions, and a commented configuration in report mode that is known to be valid.

Each answer is judged by the rules of the configuration as soon as it is given, and what can be tried from here is tried: whether
a file is there, whether a server answers. No secret is asked for: only where it lies. Who answered on a terminal then sees what
``syncd check`` finds with it: credentials, permissions, groups; and who stops half way is told how to go on.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from syncd.cli.common import run
from syncd.errors import UsageError
from syncd.host.files import too_open
from syncd.host.reach import obstacle

if TYPE_CHECKING:
    from syncd.config.document import Document

KINDS = ("file", "active_directory", "entra")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for one key. *many*: a list is meant, separated by *many*."""

    key: str
    asks: str
    example: str
    many: str = ""

    @property
    def default(self) -> str | None:
        """What an empty answer means: a usual path, or nothing where nothing is needed. An id or a domain has none."""
        return self.example if self.key.endswith((".path", "_file")) or not self.example else None


_AD, _ENTRA, _FILE = "directory.active_directory", "directory.entra", "directory.file"

_DIRECTORY: Mapping[str, tuple[Question, ...]] = {
    "file": (
        Question(f"{_FILE}.path", "The file with everybody (CSV or YAML)", "people.csv"),
        Question(f"{_FILE}.groups", "Groups that entitle to Zoom, separated by commas (empty: everybody in the file)", "", ","),
    ),
    "active_directory": (
        Question(f"{_AD}.servers", "Domain controllers, separated by commas", "ldaps://dc1.corp.example", ","),
        Question(f"{_AD}.base_dn", "Where people are listed (a DN)", "DC=corp,DC=example"),
        Question(f"{_AD}.bind.simple.user", "Any domain user that may read", "svc-syncd@corp.example"),
        Question(f"{_AD}.bind.simple.password_file", "The file that holds that user's password", "/run/secrets/ad-password"),
        Question(f"{_AD}.groups", "Groups that entitle to Zoom: names or DNs, separated by semicolons", "Zoom Users", ";"),
    ),
    "entra": (
        Question(f"{_ENTRA}.tenant_id", "The tenant's id", "00000000-0000-0000-0000-000000000000"),
        Question(f"{_ENTRA}.client_id", "The application's client id", "00000000-0000-0000-0000-000000000000"),
        Question(f"{_ENTRA}.credential.client_secret_file", "The file that holds the client secret", "/run/secrets/entra-secret"),
        Question(f"{_ENTRA}.groups", "Groups that entitle to Zoom: ids or names, separated by semicolons", "Zoom Users", ";"),
    ),
}

_ZOOM = (
    Question("zoom.account_id", "Zoom: account id of the Server-to-Server OAuth app", "abcDEF123"),
    Question("zoom.client_id", "Zoom: client id of the app", "xyzDEF456"),
    Question("zoom.client_secret_file", "Zoom: the file that holds the client secret", "/run/secrets/zoom-secret"),
    Question("scope.domains", "E-mail domains that syncd looks after, separated by commas", "corp.example", ","),
)

_COMMENTS = {
    "mode": "report never writes to Zoom. Read some plans first; then write enforce. "
    "A fresh ledger in enforce mode is held until: syncd ledger accept --by NAME --because TEXT",
    "directory": "Where people are.",
    f"{_FILE}.groups": "Whoever is in one of these is entitled; empty: everybody in the file.",
    f"{_AD}.groups": "Whoever is in one of these is entitled, through nested groups too.",
    f"{_ENTRA}.groups": "Whoever is in one of these is entitled, through nested groups too.",
    "zoom": "A Server-to-Server OAuth app; `syncd check` names every scope that it needs.",
    "zoom.client_secret_file": "Read again whenever it is used. A secret never stands in this file.",
    "scope": "Accounts of other domains are none of syncd's business.",
    "ledger": "What was read, decided and done, hash-chained; syncd makes it. Keep it on a disk that is backed up.",
    "reports": "A report for each plan that differs.",
}

_LATER = """\

# Before mode: enforce, think of these. Every key with its default: syncd schema --example
#protect:
#  accounts: [ceo@{domain}, "svc-*@{domain}"]   # never touched
#  groups: [Rooms]                                  # names of Zoom groups
#guards:
#  sentinels: [ceo@{domain}]     # must be seen entitled in every read: a canary for blind reads
#deactivate:
#  grace: 4h                     # how long somebody must be gone before the account goes
#schedule:
#  interval: 15m
"""


@click.command("init", short_help="a first configuration: asks a few questions")
@click.option("--directory", "kind", type=click.Choice(KINDS), help="Where people are; asked for otherwise.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("syncd.yaml"),
    show_default=True,
    metavar="FILE",
    help="Where the configuration is written; never over one that is there.",
)
@click.option(
    "--set",
    "given",
    multiple=True,
    metavar="KEY=VALUE",
    help="Answers beforehand, or sets any other key: --set zoom.account_id=abc. May be repeated.",
)
def init(kind: str | None, out: Path, given: tuple[str, ...]) -> None:
    """Asks a few questions and writes a commented configuration in report mode, which changes nothing in Zoom.

    \b
    Example:  syncd init --directory file --out syncd.yaml
              syncd init --directory entra --set zoom.account_id=abc --set scope.domains=corp.example
    Exit status: 0 written, 2 an answer is missing or wrong, or the file is there
    """
    if out.exists():
        raise UsageError(f"--out: {out} is there already, and is not overwritten", "Name another file, or move it away.")
    answers: dict[str, Any] = {"mode": "report"}
    for key, value in _given(given).items():
        _put(answers, key, value)
    kind = kind or next((name for name in KINDS if name in answers.get("directory", {})), None) or _choice()
    beside, answered = out.resolve().parent, False
    try:
        for question in (*_DIRECTORY[kind], *_ZOOM):
            answered |= _ask(question, answers, beside)
    except (click.Abort, EOFError):
        if sys.stdin.isatty():
            click.echo(err=True)  # the line of the question
        left = [one.key for one in (*_DIRECTORY[kind], *_ZOOM) if _get(answers, one.key) is None and one.default is None]
        raise UsageError(
            f"no answer to {len(left)} questions: {', '.join(left)}",
            f"Go on from here: {_so_far(kind, out, answers)}"
            if sys.stdin.isatty()
            else f"Answer on a terminal, or beforehand: --set {left[0]}=…"
            if left
            else "",
        ) from None
    answers.setdefault("ledger", {}).setdefault("url", f"sqlite:///{beside / 'ledger.db'}")
    answers.setdefault("reports", {}).setdefault("directory", str(beside / "reports"))
    text = written(answers)
    faults = _faults_in(text.encode(), beside, os.environ)
    if faults:
        raise UsageError(
            "these answers make no valid configuration, and nothing was written:\n  "
            + "\n  ".join(f"{where}: {what}" for where, what in faults),
            "Correct them with --set KEY=VALUE.",
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"--out: {out} cannot be written ({error.strerror})") from None
    click.echo(f"written: {out}, in report mode: nothing in Zoom will be changed")
    if answered and sys.stdin.isatty():
        _look(out)
    name = shlex.quote(str(out))
    click.echo(
        f"\nNext:\n  syncd check --config {name}     is everything in place?\n"
        f"  syncd plan --config {name}      what would it do, and why? (changes nothing)"
    )


def _look(out: Path) -> None:
    """``syncd check``. What it finds does not undo what was written: the exit status stays; Ctrl-C goes on without it."""
    from syncd.cli.checking import check

    click.echo("\nLooking whether everything is in place (syncd check; Ctrl-C leaves it for later):")
    try:
        check.main(args=["--config", str(out)], prog_name="syncd check", standalone_mode=False)
    except (SystemExit, click.exceptions.Exit):
        pass
    except (click.Abort, KeyboardInterrupt):
        click.echo("left for later", err=True)


def _so_far(kind: str, out: Path, answers: Mapping[str, Any]) -> str:
    """The command that asks only what was not answered."""
    words = ["syncd", "init", "--directory", kind, "--out", str(out)]
    for question in (*_DIRECTORY[kind], *_ZOOM):
        value = _get(answers, question.key)
        if value is not None:
            text = question.many.join(map(str, value)) if question.many and isinstance(value, list) else str(value)
            words += ["--set", f"{question.key}={text}"]
    return shlex.join(words)


def _choice() -> str:
    try:
        return str(click.prompt("Where are your people?", type=click.Choice(KINDS), default="file", err=True))
    except click.Abort:
        raise UsageError("no answer to where people are", f"Name it: --directory {'|'.join(KINDS)}") from None


def _ask(question: Question, answers: dict[str, Any], beside: Path) -> bool:
    """Asks until the answer is valid. An answer given beforehand is judged once. Returns whether it was asked."""
    value = _get(answers, question.key)
    if value is None and _secret_given_otherwise(question.key, answers):
        return False
    asked = value is None
    while True:
        if asked:
            value = _answer(question)
        _put(answers, question.key, _listed(question, value))
        where = question.key.split(".")
        faults = [
            what for at, what in _faults_in(written(answers).encode(), beside, os.environ) if at.split(".")[: len(where)] == where
        ]
        if not faults:
            break
        if not asked:
            raise UsageError(f"--set {question.key}: {faults[0]}")
        click.echo(f"  {faults[0]}", err=True)
        _put(answers, question.key, None)  # whoever stops now goes on without it
    for line in _tried(question.key, _get(answers, question.key), beside) if asked else ():
        click.echo(f"  {line}", err=True)
    return asked


def _answer(question: Question) -> str:
    hint = "" if question.default is not None else f" (such as {question.example})"
    try:
        return str(click.prompt(question.asks + hint, default=question.default, show_default=bool(question.default), err=True))
    except click.Abort:
        if question.default is None or sys.stdin.isatty():
            raise
        return question.default  # nobody is there to answer: as an empty answer


def _secret_given_otherwise(key: str, answers: dict[str, Any]) -> bool:
    """``NAME_env`` instead of ``NAME_file``, or another way to prove who we are."""
    section = _get(answers, key.rpartition(".")[0])
    chosen = _get(answers, f"{key.removesuffix('_file')}_env") is not None
    return (
        chosen
        or (key.endswith("credential.client_secret_file") and bool(section))
        or (".bind.simple." in key and _get(answers, f"{_AD}.bind.kerberos") is not None)
    )


def _listed(question: Question, value: Any) -> Any:
    if not question.many or not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(question.many) if part.strip()]


def _tried(key: str, value: Any, beside: Path) -> list[str]:
    """What can be tried from here: files and servers."""
    if key.endswith((".path", "_file")):
        path = beside / str(value)
        if not path.exists():
            return [f"note: {path} is not there yet" + (", write the secret into it: mode 0600" if key.endswith("_file") else "")]
        return [f"note: {wrong}" for wrong in [too_open(path, secret=True)] if wrong and key.endswith("_file")]
    if key.endswith(".servers"):
        found = [re.fullmatch(r"(ldaps?)://\[?([^\]/:]+|[^\]]+)\]?(?::(\d+))?/?", server) for server in value]
        ports = [(match[2], int(match[3] or (636 if match[1] == "ldaps" else 389))) for match in found if match]
        return [run(obstacle(host, port)) or f"{host}:{port} answers" for host, port in ports]
    if key == "zoom.client_id":
        return [run(obstacle("api.zoom.us", 443)) or "api.zoom.us:443 answers"] if sys.stdin.isatty() else []
    return []


# ------------------------------------------------------------------------------------------------------- keys and values


def _given(pairs: tuple[str, ...]) -> dict[str, Any]:
    """``--set``: dotted keys to values, read as YAML reads them. Raises UsageError."""
    found: dict[str, Any] = {}
    questions = {one.key: one for one in (*(each for kind in _DIRECTORY.values() for each in kind), *_ZOOM)}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not re.fullmatch(r"[a-z_]+(\.[A-Za-z0-9_.-]+)*", key):
            raise UsageError(f"--set {key}: is not KEY=VALUE", "Write --set zoom.account_id=abc")
        if key == "mode" and text != "report":
            raise UsageError("--set mode: init writes report mode only", "Read some plans first; then edit mode in the file.")
        if key in questions:
            question = questions[key]
            read = _parsed(f"value: {text}\n".encode()) if text.startswith("[") else None
            value: Any = _listed(question, text) if read is None or read.values is None else read.values["value"]
        else:
            document = _parsed(f"value: {text}\n".encode())
            if document.values is None or document.problems:
                raise UsageError(f"--set {key}: {document.problems[0].what}", document.problems[0].do)
            value = document.values["value"]
        found[key] = value
    return found


def _put(answers: dict[str, Any], key: str, value: Any) -> None:
    *inside, last = key.split(".")
    section = answers
    for name in inside:
        below = section.setdefault(name, {})
        if not isinstance(below, dict):
            raise UsageError(f"--set {key}: {name} is a value already, not a section")
        section = below
    section[last] = value


def _get(answers: Mapping[str, Any], key: str) -> Any:
    value: Any = answers
    for name in key.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def written(answers: Mapping[str, Any]) -> str:
    """The configuration as text, with comments."""
    domains = _get(answers, "scope.domains") or ["corp.example"]
    domain = str(domains[0] if isinstance(domains, list) and domains else "corp.example").removeprefix("*.")
    order: Callable[[str], int] = ["mode", "directory", "zoom", "scope", "ledger", "reports"].index
    known = sorted((key for key in answers if key in ("mode", "directory", "zoom", "scope", "ledger", "reports")), key=order)
    lines: list[str] = []
    for key in (*known, *(key for key in answers if key not in known)):
        lines += ["", *_lines(key, answers[key], key, 0)]
    later = _LATER.format(domain=domain)
    return "# Written by syncd init.\n" + "\n".join(lines).lstrip("\n") + "\n" + later


def _lines(key: str, value: Any, where: str, indent: int) -> list[str]:
    blanks = "  " * indent
    lines = [f"{blanks}# {_COMMENTS[where]}"] if where in _COMMENTS else []
    if isinstance(value, dict):
        lines.append(f"{blanks}{_scalar(key)}:")
        for name, below in value.items():
            lines += _lines(name, below, f"{where}.{name}", indent + 1)
        return lines
    shown = f"[{', '.join(map(_scalar, value))}]" if isinstance(value, list) else _scalar(value)
    return [*lines, f"{blanks}{_scalar(key)}: {shown}"]


def _scalar(value: Any) -> str:
    """As YAML reads it back: in quotes unless it is a plain word, number or path."""
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    text = str(value)
    plain = re.fullmatch(r"[A-Za-z0-9/._@-][A-Za-z0-9/._@:-]*", text) and not text.startswith(("-", "@")) and ": " not in text
    read = _parsed(f"v: {text}\n".encode()).values if plain else None
    return text if read is not None and read.get("v") == text and not text.endswith(":") else json.dumps(text, ensure_ascii=False)


def _faults_in(text: bytes, beside: Path, env: Mapping[str, str]) -> list[tuple[str, str]]:
    from syncd.config import faults_in

    return faults_in(text, beside, env)


def _parsed(text: bytes) -> Document:
    from syncd.config.document import parse

    return parse(text)


VERBS = (init,)

"""The first hour: a configuration from a few answers, the example, the demo that stays, the lab whose port is taken."""

from __future__ import annotations

import os
import pty
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import click
import pytest
import yaml

from syncd.cli import syncd
from syncd.config import example, load
from tests.acceptance.company import ROOT, Company, clean_environment

FILE = ("--set", "directory.file.path=people.csv", "--set", "directory.file.groups=staff")
ZOOM = (
    "--set",
    "zoom.account_id=abc",
    "--set",
    "zoom.client_id=xyz",
    "--set",
    "zoom.client_secret_file=/run/secrets/zoom",
    "--set",
    "scope.domains=corp.example, *.sub.example",
)
KINDS = {
    "file": FILE,
    "active_directory": (
        "--set",
        "directory.active_directory.servers=ldaps://dc1.corp.example, ldaps://dc2.corp.example",
        "--set",
        "directory.active_directory.base_dn=OU=People,DC=corp,DC=example",
        "--set",
        "directory.active_directory.bind.simple.user=svc@corp.example",
        "--set",
        "directory.active_directory.bind.simple.password_env=AD_PASSWORD",
        "--set",
        "directory.active_directory.groups=CN=Zoom Users,OU=Groups,DC=corp,DC=example; Staff",
    ),
    "entra": (
        "--set",
        "directory.entra.tenant_id=00000000-0000-0000-0000-000000000001",
        "--set",
        "directory.entra.client_id=00000000-0000-0000-0000-000000000002",
        "--set",
        "directory.entra.credential.managed_identity=system",
        "--set",
        "directory.entra.groups=Zoom Users",
    ),
}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_answers_given_beforehand_make_a_valid_configuration_in_report_mode(company: Company, kind: str) -> None:
    """Commented, and the next two commands are told; further keys go along."""
    out = company.folder / "new.yaml"

    ran = company.syncd(
        "init", "--directory", kind, "--out", str(out), *KINDS[kind], *ZOOM, "--set", "schedule.interval=30m", config=False
    )

    assert 0 == ran.code, ran.said
    assert ["syncd check", "syncd plan"] == [line.strip()[:11].strip() for line in ran.out.splitlines()[-2:]]
    text = out.read_text(encoding="utf-8")
    assert text.count("# ") > 8
    config = load(out, {}, check_files=False)
    assert ("report", ("corp.example", "*.sub.example")) == (config.mode.value, config.scope.domains)
    assert 0 == company.syncd("check", "--syntax", "--config", str(out), config=False).code
    again = company.syncd("init", "--directory", kind, "--out", str(out), *KINDS[kind], *ZOOM, config=False)
    assert 2 == again.code
    assert text == out.read_text(encoding="utf-8")


def test_a_dn_stays_one_dn(company: Company) -> None:
    out = company.folder / "new.yaml"
    company.syncd("init", "--directory", "active_directory", "--out", str(out), *KINDS["active_directory"], *ZOOM, config=False)

    directory = yaml.safe_load(out.read_text(encoding="utf-8"))["directory"]["active_directory"]
    assert "OU=People,DC=corp,DC=example" == directory["base_dn"]
    assert ["CN=Zoom Users,OU=Groups,DC=corp,DC=example", "Staff"] == directory["groups"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (FILE, "no answer to 3 questions: zoom.account_id"),
        ((*FILE, *ZOOM, "--set", "scope.domains=corp"), '"corp" is not a domain'),
        ((*FILE, *ZOOM, "--set", "mode=enforce"), "report mode only"),
        ((*FILE, *ZOOM, "--set", "shedule.interval=1h"), "did you mean schedule?"),
        ((*FILE, *ZOOM, "--set", "nonsense"), "is not KEY=VALUE"),
    ],
)
def test_a_missing_or_wrong_answer_writes_nothing(company: Company, words: tuple[str, ...], says: str) -> None:
    out = company.folder / "new.yaml"

    ran = company.syncd("init", "--directory", "file", "--out", str(out), *words, config=False)

    assert 2 == ran.code
    assert says in ran.err
    assert not out.exists()


def test_answers_are_asked_for_again_until_they_are_right(tmp_path: Path) -> None:
    """Line by line, as a person types them."""
    out = tmp_path / "new.yaml"
    answers = "file\npeople.csv\n\n${ACCOUNT}\nabc\nxyz\nzoom-secret\ncorp\n“corp.example”\ncorp.example\n"
    ran = subprocess.run(
        [sys.executable, "-m", "syncd", "init", "--out", str(out)],
        input=answers,
        cwd=tmp_path,
        text=True,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert 0 == ran.returncode, ran.stderr
    assert '"corp" is not a domain' in ran.stderr
    assert "${ACCOUNT} stands here as text" in ran.stderr
    assert ("corp.example",) == load(out, {}, check_files=False).scope.domains


def typed(folder: Path, answers: str, *words: str) -> tuple[str, int]:
    """``syncd init`` on a terminal of its own, where somebody types: (everything shown, exit status)."""
    main, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "syncd", "init", *words],
        cwd=folder,
        stdin=side,
        stdout=side,
        stderr=side,
        env={**clean_environment(), "TERM": "xterm-256color"},
    )
    os.close(side)
    os.write(main, answers.encode())
    shown = b""
    with suppress(OSError):  # the terminal is gone when the program is
        while piece := os.read(main, 65536):
            shown += piece
    os.close(main)
    return shown.decode(), process.wait(60)


def at_the_lab(company: Company) -> tuple[str, ...]:
    """Where the simulated Zoom answers."""
    zoom = company.settings["zoom"]
    keys = ("client_id", "client_secret_file", "token_url", "api_url")
    return tuple(word for key in keys if key in zoom for word in ("--set", f"zoom.{key}={zoom[key]}"))


def test_what_was_answered_on_a_terminal_is_looked_at_at_once(company: Company) -> None:
    """As ``syncd check`` does, with the secrets that are there; what it finds does not undo what was written."""
    company.person("ann")
    company.account("ann")
    company.save()
    words = ("--directory", "file", "--set", f"directory.file.path={company.settings['directory']['file']['path']}")

    shown, code = typed(company.folder, "\nwrong-account\ncorp.example\n", "--out", "new.yaml", *words, *at_the_lab(company))

    assert 0 == code, shown
    assert (company.folder / "new.yaml").exists()
    looked, _, after = shown.partition("Looking whether everything is in place")[2].partition("Next:")
    assert "ok    configuration: valid, mode report" in looked
    assert "ok    directory: " in looked
    assert "FAIL  zoom: " in looked, "the account id is wrong"
    assert "syncd plan --config new.yaml" in after


def test_who_stops_half_way_goes_on_from_there(company: Company) -> None:
    """With the command that was told: what was answered stays, a wrong answer does not."""
    words = ("--directory", "file", "--set", "zoom.client_id=xyz", "--set", "zoom.client_secret_file=zoom secret")

    shown, code = typed(company.folder, "people.csv\nstaff, guests\nabc\ncorp\n\x04", "--out", "new.yaml", *words)

    assert 2 == code
    assert not (company.folder / "new.yaml").exists()
    assert (
        "syncd: no answer to 1 questions: scope.domains" in shown.replace("\r", "\n").split("\n")[-4:][0]
        or "scope.domains" in shown
    )
    command = shlex.split(next(line for line in shown.splitlines() if "Go on from here: " in line).partition("here: ")[2])
    ran = company.syncd(*command[1:], "--set", "scope.domains=corp.example", config=False)
    assert 0 == ran.code, ran.said
    written = load(company.folder / "new.yaml", {}, check_files=False)
    assert ("abc", "xyz") == (written.zoom.account_id, written.zoom.client_id)
    assert "Looking whether" not in ran.said, "nobody sits there"


def test_the_example_is_the_one_that_is_shipped(company: Company) -> None:
    """In the package and beside the sources, to the byte."""
    ran = company.syncd("schema", "--example", config=False)

    assert 0 == ran.code
    assert ran.out == example()
    assert example() == (ROOT / "config" / "syncd.example.yaml").read_text(encoding="utf-8")


def leaves_of(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """The verbs of a group that have none below them, and those of the groups below it."""
    yield words, [name for name, command in group.commands.items() if not isinstance(command, click.Group)]
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves_of(command, (*words, name))


def test_every_verb_shows_an_example(company: Company) -> None:
    """In its help: of all there are, those below others too."""
    verbs = [(*words, name) for words, group in leaves_of(syncd) for name in group] + [("report", "idle")]
    assert {("plan",), ("review",), ("account", "hold"), ("ledger", "verify"), ("handover", "run")} <= set(verbs)

    without = [verb for verb in verbs if "Example:" not in company.syncd(*verb, "--help", config=False).out]

    assert [] == without


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_verbs_are_completed_in_a_shell(shell: str) -> None:
    """What the script for it asks is answered."""
    program = [str(Path(sys.executable).with_name("syncd"))]
    asks = {"COMP_WORDS": "syncd led", "COMP_CWORD": "led" if shell == "fish" else "1", "_SYNCD_COMPLETE": f"{shell}_complete"}
    found = subprocess.run(program, env={**clean_environment(), **asks}, capture_output=True, text=True, check=True).stdout

    assert "ledger" in found.replace(",", "\n").split()
    script = subprocess.run(
        program, env={**clean_environment(), "_SYNCD_COMPLETE": f"{shell}_source"}, capture_output=True, text=True, check=True
    )
    assert f"_SYNCD_COMPLETE={shell}_complete" in script.stdout


def test_the_lab_begins_with_leavers_and_says_when_its_port_is_taken(tmp_path: Path) -> None:
    """A first plan that has something to show."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        ran = subprocess.run(
            [sys.executable, "-m", "syncd.lab", "zoom", "--port", str(taken), "--out", str(tmp_path / "a")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert 2 == ran.returncode
    assert "--port 0" in ran.stderr
    assert "Traceback" not in ran.stderr

    lab = subprocess.Popen(
        [sys.executable, "-m", "syncd.lab", "zoom", "--port", "0", "--out", str(tmp_path / "b")],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert lab.stdout is not None
        assert "simulated Zoom" in lab.stdout.readline()
        plan = subprocess.run(
            [sys.executable, "-m", "syncd", "plan", "--config", str(tmp_path / "b" / "syncd.yaml")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "disabled_in_directory" in plan.stdout
        assert "left_groups" in plan.stdout or "within_grace" in plan.stdout
    finally:
        lab.terminate()
        lab.communicate(timeout=30)


def test_a_demo_that_is_kept_runs_until_it_is_asked_to_stop(tmp_path: Path) -> None:
    """Its configuration answers to every verb meanwhile."""
    demo = subprocess.Popen(
        [sys.executable, "-m", "syncd", "demo", "--keep", "--folder", str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert demo.stdout is not None
        assert any("Ctrl-C" in line for line in demo.stdout)
        plan = subprocess.run(
            [sys.executable, "-m", "syncd", "plan", "--config", str(tmp_path / "syncd.yaml")],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert 3 == plan.returncode
        assert demo.poll() is None
        demo.send_signal(signal.SIGTERM)
        assert 0 == demo.wait(60)
    finally:
        demo.kill()
        demo.communicate(timeout=30)

"""Wrong configurations and command lines: 2, every problem at once, never a traceback (sections 2 and 5)."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.acceptance.company import SECRET, WHO, Company

VERBS = (
    ("plan",),
    ("run",),
    ("apply",),
    ("check", "--offline"),
    ("ledger", "verify"),
    ("pause", *WHO),
    ("account", "show", "a@corp.example"),
    ("explain", "a@corp.example"),
)


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_refuses_a_wrong_configuration_with_all_its_problems(company: Company, verb: tuple[str, ...]) -> None:
    """Unknown key with a hint, a wrong type, a missing section, an inline secret: each with line and path."""
    company.settings["zoom"]["client_secrt_file"] = "x"
    company.settings["zoom"]["client_secret"] = SECRET
    company.configure({"mode": "sometimes", "scope.domains": [], "guards": {"max_deactivations": "many"}})

    ran = company.syncd(*verb)

    line = "FAIL  configuration: 5 problems, named on standard error\n" if verb[0] == "check" else ""
    assert (2, line) == (ran.code, ran.out)
    for word in ("mode", "zoom.client_secrt_file", "did you mean", "scope.domains", "guards.max_deactivations", "line "):
        assert word in ran.err, ran.err
    assert SECRET not in ran.err


def test_no_configuration_at_all_is_said(company: Company) -> None:
    """Neither --config nor $SYNCD_CONFIG."""
    ran = company.syncd("plan", config=False)

    assert 2 == ran.code
    assert "--config" in ran.err


def test_config_may_stand_before_or_after_the_verb(company: Company) -> None:
    """And wins over the variable."""
    company.staff(1)
    env = {"SYNCD_CONFIG": "/nonexistent.yaml"}

    assert 0 == company.syncd("--config", str(company.config), "plan", env=env).code
    assert 0 == company.syncd("plan", "--config", str(company.config), env=env).code
    assert 2 == company.syncd("plan", env=env).code


def test_what_is_no_configuration_file_is_refused(company: Company) -> None:
    """Missing, a folder, binary, an endless list of brackets, an empty file, a device."""
    paths: list[Path] = [company.folder / "missing.yaml", company.folder]
    for name, content in (
        ("binary", b"\x00\xff\xfe" * 100),
        ("deep", b"[" * 5000),
        ("empty", b""),
        ("text", b"hello"),
        ("number", b"42"),
        ("bomb", b"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n"),
    ):
        (company.folder / name).write_bytes(content)
        paths.append(company.folder / name)
    for path in paths:
        ran = company.syncd("plan", "--config", str(path))
        assert (2, "") == (ran.code, ran.out), path
        assert ran.err.startswith("syncd: ") or "Usage" in ran.err


def test_files_the_configuration_names_must_be_there(company: Company) -> None:
    """A missing secret, an empty one, a folder, a CA that is none: 2 with the key."""
    (company.folder / "empty").write_text("", encoding="utf-8")
    for value in ("missing", "empty", str(company.folder)):
        company.configure({"zoom.client_secret_file": value})
        ran = company.syncd("plan")
        assert 2 == ran.code, ran.said
        assert "zoom.client_secret_file" in ran.err
    company.configure(
        {"zoom.client_secret_file": str(company.folder / "zoom-secret"), "zoom.ca_file": str(company.folder / "people.csv")}
    )
    ran = company.syncd("plan")
    assert 2 == ran.code, ran.said
    assert "ca_file" in ran.err


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_configuration_is_refused_or_read_but_never_a_fault(company: Company, seed: int) -> None:
    """Bytes swapped, lines lost or doubled: an answer of the interface, no traceback (the runner looks for one)."""
    chance = random.Random(seed)
    company.staff(2)
    good = company.config.read_bytes()
    for _ in range(8):
        damaged = bytearray(good)
        match chance.randrange(3):
            case 0:
                for _ in range(chance.randrange(1, 6)):
                    damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            case 1:
                lines = good.splitlines(keepends=True)
                lines.pop(chance.randrange(len(lines)))
                damaged = bytearray(b"".join(lines))
            case _:
                lines = good.splitlines(keepends=True)
                lines.insert(chance.randrange(len(lines)), chance.choice(lines))
                damaged = bytearray(b"".join(lines))
        company.config.write_bytes(bytes(damaged))
        ran = company.syncd("check", "--offline")
        assert ran.code in (0, 2), (seed, damaged.decode("utf-8", "replace"), ran.said)


def test_unknown_verbs_options_and_arguments_are_usage_errors(company: Company) -> None:
    """2, with a word about it."""
    for words in (
        ("plann",),
        ("plan", "--fromat", "json"),
        ("plan", "extra"),
        ("account",),
        ("account", "fly"),
        ("explain",),
        ("ledger", "show", "--limit", "x"),
        ("account", "show"),
        ("account", "show", "not-an-address"),
    ):
        ran = company.syncd(*words)
        assert (2, "") == (ran.code, ran.out), words
        assert ran.err


def test_help_and_version_need_nothing(company: Company) -> None:
    """Every verb explains itself with exit 0."""
    assert 0 == company.syncd("--version", config=False).code
    for verb in ("run", "plan", "approve", "undo", "account", "report", "ledger", "demo"):
        ran = company.syncd(verb, "--help", config=False)
        assert 0 == ran.code, verb
        assert "Usage: syncd" in ran.out


def test_schema_is_a_json_schema(company: Company) -> None:
    """Printed without a configuration."""
    ran = company.syncd("schema", config=False)

    assert 0 == ran.code
    assert {"mode", "directory", "zoom", "scope"} <= set(json.loads(ran.out)["properties"])


def test_check_says_one_line_each_and_four_when_something_is_missing(company: Company) -> None:
    """0 in order, 4 with the fix when Zoom refuses; --offline asks nobody."""
    company.staff(2)
    offline = company.syncd("check", "--offline")
    assert 0 == offline.code
    assert [] == company.zoom.requests

    good = company.syncd("check")
    assert 0 == good.code, good.said
    assert all(line.startswith(("ok", "FAIL", "    ", "note", "warn")) for line in good.out.splitlines())

    company.zoom.oauth.client_secret = "other"
    bad = company.syncd("check")
    assert 4 == bad.code
    assert "FAIL" in bad.out
    company.people.unlink()
    assert 4 == company.syncd("check").code

"""What a stranger meets first: locks, words of the Makefile, the README's promises, the image. Each is held to the code."""

from __future__ import annotations

import hashlib
import os
import re
import tomllib
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from syncd import __version__, errors, model
from syncd.config import json_schema, load
from syncd.ledger import entries
from syncd.ledger.entry import KINDS
from syncd.model import Guard, Reason
from tests.architecture.readme_tables import TABLES, all_verbs, names_in, with_tables

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: Everything that is written for readers, as one text.
MANUAL = "\n".join(path.read_text(encoding="utf-8") for path in PAGES)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock"))


def project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def wanted(lock: str) -> list[Requirement]:
    """What pyproject.toml asks for in the lock's name."""
    table = project()
    dependencies: list[str] = table["project"]["dependencies"]
    groups: dict[str, list[Any]] = table["dependency-groups"]
    lines = {
        "requirements.lock": dependencies,
        "requirements-build.lock": groups["build"] + table["build-system"]["requires"],
        "requirements-dev.lock": dependencies + groups["dev"] + groups["build"],
        "requirements-kerberos.lock": dependencies + table["project"]["optional-dependencies"]["kerberos"],
    }[lock]
    return [Requirement(line) for line in lines if isinstance(line, str)]


def pins(lock: str) -> dict[str, str]:
    """Package -> version, as the lock has them."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    return {canonicalize_name(name): version for name, version in re.findall(r"(?m)^([\w.-]+)==([^\s;]+)", text)}


# ------------------------------------------------------------------------------------------------------- quick starts


@pytest.mark.parametrize(
    "page",
    [
        "docs/get-started.md",
        "docs/how-to/kubernetes.md",
        "deploy/README.md",
        "deploy/chart/README.md",
        "deploy/chart/templates/NOTES.txt",
        "config/syncd.example.yaml",
        "config/entra.yaml",
        "config/active-directory.yaml",
        "config/file.yaml",
        *(
            str(path.relative_to(ROOT))
            for path in sorted((ROOT / "deploy" / "overlays").glob("*/syncd.yaml"))
            if "mode: enforce" in path.read_text(encoding="utf-8")
        ),
    ],
)
def test_who_is_told_to_enforce_is_told_that_a_fresh_ledger_is_held(page: str) -> None:
    """With the guard's name and the command that ends it."""
    text = (ROOT / page).read_text(encoding="utf-8")

    assert "enforc" in text
    assert "ledger-new" in text
    assert re.search(r"syncd ledger accept (--config syncd.yaml )?--by NAME --because TEXT", text)


# ------------------------------------------------------------------------------------------------------------- locks


def test_there_is_a_lock_for_every_way_to_install() -> None:
    """Running, building, developing, Kerberos."""
    assert ["requirements-build.lock", "requirements-dev.lock", "requirements-kerberos.lock", "requirements.lock"] == LOCKS


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_host(lock: str) -> None:
    """Whoever installs decides which index is asked."""
    text = (ROOT / lock).read_text(encoding="utf-8")

    assert "://" not in text
    assert [] == re.findall(r"(?m)^\s*-(?!-hash=).*$", text)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_of_a_lock_is_pinned_with_a_hash(lock: str) -> None:
    """One pin, at least one SHA-256, and nothing that is not a pin."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    entries = re.split(r"(?m)^(?=[\w])", "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")))

    assert len(pins(lock)) > 3
    assert [] == [
        entry
        for entry in entries
        if entry.strip() and not re.match(r"[\w.-]+==[\w.]+( ; [^\\]+)? \\\n(\s+--hash=sha256:[0-9a-f]{64}( \\)?\n?)+$", entry)
    ]


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_what_pyproject_asks_for(lock: str) -> None:
    """After a change of pyproject.toml: make lock."""
    pinned = pins(lock)

    assert [] == [
        str(wish)
        for wish in wanted(lock)
        if not wish.specifier.contains(pinned.get(canonicalize_name(wish.name), "0"), prereleases=True)
    ]


def test_locks_agree_on_versions() -> None:
    """What is tested is what is run and shipped."""
    versions: dict[str, set[str]] = {}
    for lock in LOCKS:
        for name, version in pins(lock).items():
            versions.setdefault(name, set()).add(version)

    assert {} == {name: found for name, found in versions.items() if len(found) > 1}
    assert set(pins("requirements.lock")) <= set(pins("requirements-dev.lock"))


def test_what_has_no_wheels_is_only_in_the_lock_of_its_extra() -> None:
    """gssapi needs a compiler; nobody else should."""
    assert ["requirements-kerberos.lock"] == [lock for lock in LOCKS if "gssapi" in pins(lock)]


# ------------------------------------------------------------------------------------------------------------ checks


def test_every_rule_of_ruff_is_on_or_has_a_reason_to_be_off() -> None:
    """All are selected; what is left out, anywhere or in some files, says why on its own line."""
    rules = project()["tool"]["ruff"]["lint"]
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    off = {*rules["ignore"], *(rule for some in rules["per-file-ignores"].values() for rule in some)}
    named = [line for line in lines if re.match(r'(  |")[^=]*"[A-Z]+\d*"', line) or re.match(r'".*" = \["', line)]

    assert ["ALL"] == rules["select"]
    assert off == {rule for line in named for rule in re.findall(r'"([A-Z]+\d*)"', line)}
    assert [] == [line for line in named if not re.search(r"# \S+ \S+", line)]


# ------------------------------------------------------------------------------------------------- words and scripts


@pytest.mark.parametrize("word", ["demo", "test", "lint", "bench", "image", "help"])
def test_the_makefile_has_the_word_and_explains_it(word: str) -> None:
    """`make help` prints what stands behind the two hashes."""
    assert re.search(rf"(?m)^{word}:.*## \S", MAKEFILE)


def test_the_docs_names_only_words_that_exist() -> None:
    """`make x` in a block or between backticks."""
    named = set(re.findall(r"(?m)(?:^|`)make ([a-z]+)", MANUAL + CONTRIBUTING))

    assert named >= {"demo", "test", "lint", "bench", "image"}
    assert set() == {word for word in named if not re.search(rf"(?m)^{word}:", MAKEFILE)}
    asked_for = set(re.findall(r"\btests/[\w/.]+", MAKEFILE + CONTRIBUTING))
    assert set() == {path for path in asked_for if not (ROOT / path.rstrip(".")).exists()}


def test_the_run_of_ci_is_strict_asks_nothing_and_ends_with_the_tests() -> None:
    """So that the test runner's closing line comes last."""
    script = ROOT / ".ci" / "run"
    text = script.read_text(encoding="utf-8")

    assert text.startswith("#!/usr/bin/env bash\n")
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in text
    assert "exec </dev/null" in text
    assert "DEBIAN_FRONTEND=noninteractive" in text
    assert "make lint" in text
    assert ["make", "test"] == text.splitlines()[-1].split()[:2]


def test_the_licence_is_the_whole_apache_licence() -> None:
    """The text as published, to the byte, and named in pyproject.toml."""
    text = (ROOT / "LICENSE").read_bytes()

    assert "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30" == hashlib.sha256(text).hexdigest()
    assert "Apache-2.0" == project()["project"]["license"]


def test_the_changelog_knows_this_version() -> None:
    """Under a heading of its own."""
    assert re.search(rf"(?m)^## .*\b{re.escape(__version__)}\b", CHANGELOG)


# -------------------------------------------------------------------------------------------------------- README and docs


def test_tables_of_the_docs_are_those_of_the_code() -> None:
    """After a change of metrics, verbs or scopes: make tables."""
    made = "\n".join(path.read_text(encoding="utf-8") for path in PAGES if path.parent.name in ("reference", "how-to"))

    assert sorted(TABLES) == sorted(names_in(made))
    assert with_tables(made) == made, "make tables writes them anew"


@pytest.mark.parametrize("verb", [name for name, _ in all_verbs()])
def test_the_docs_mentions_the_verb(verb: str) -> None:
    """As an operator would type it."""
    assert f"syncd {verb}" in MANUAL


@pytest.mark.parametrize("guard", list(Guard))
def test_the_docs_says_what_to_do_about_the_guard(guard: Guard) -> None:
    """One row each."""
    table = (ROOT / "docs" / "reference" / "guards.md").read_text(encoding="utf-8")
    rows = re.findall(rf"(?m)^\| `{guard.value}` \|.*$", table)

    assert 1 == len(rows), f"docs/reference/guards.md has {len(rows)} rows of {guard.value}, not one"
    assert 6 == rows[0].count("|"), "five columns"


@pytest.mark.parametrize("reason", list(Reason))
def test_the_docs_explains_the_reason(reason: Reason) -> None:
    """In the table of decisions."""
    assert re.search(rf"(?m)^\| .* \| `{reason.value}` \|$", MANUAL)


def test_the_docs_explains_every_note_of_a_decision() -> None:
    """Those that planning writes beside the reason: the words with a low line that are no reason, guard or other word of ours."""
    words = {
        word.value
        for name in vars(model.words)
        if isinstance(kind := getattr(model.words, name), type) and issubclass(kind, Enum)
        for word in kind
    }
    sources = [ROOT / "syncd" / "planning" / name for name in ("decide.py", "stale.py")]
    texts = {text for path in sources for text in re.findall(r'"([a-z]+_[a-z_]*[a-z])"', path.read_text(encoding="utf-8"))}
    notes = texts - words - {"directory_group"}

    assert notes > {"kept_by_alias", "may_look_older"}
    assert set() == {note for note in notes if not re.search(rf"(?m)^\| .*`{note}`.* \|", MANUAL)}


def test_the_docs_explains_every_exit_code() -> None:
    """Those of the errors, success, and changes that are due."""
    codes = {
        error.exit_code for error in vars(errors).values() if isinstance(error, type) and issubclass(error, errors.SyncdError)
    }

    assert sorted(codes | {0, 10}) == [int(code) for code in re.findall(r"(?m)^\| (\d+) \|", MANUAL)]


def test_the_docs_names_every_kind_of_ledger_entry() -> None:
    """Those of ``ledger/entries``."""
    kinds = ledger_kinds()

    assert kinds >= {"intent", "outcome"}
    assert set() == {kind for kind in kinds if f"`{kind}`" not in MANUAL}


def ledger_kinds() -> set[str]:
    """Those of the program's own."""
    return {name for name, struct in KINDS.items() if struct.__module__.startswith(entries.__name__)}


def test_keys_the_docs_names_exist() -> None:
    """`section.key` between backticks, and the bare limits in the table of guards."""
    schema = json_schema()
    sections = set(schema["properties"])
    no_keys = ledger_kinds() | {"directory.unclear", "ledger.db", "ledger.db.head", "ledger.jsonl"}
    dotted = set(re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", MANUAL)) - no_keys
    named = {name for name in dotted if name.partition(".")[0] in sections and not name.endswith((".py", ".yaml"))}
    limits = {name for row in re.findall(r"(?m)^\| `[a-z-]+` \|.*$", MANUAL) for name in re.findall(r"`((?:max|min)_\w+)`", row)}

    assert "scope.domains" in named
    assert "max_clock_skew" in limits
    assert set() == {name for name in named | {f"guards.{limit}" for limit in limits} if not _has(schema, name.split("."))}


def _has(schema: dict[str, Any], path: list[str]) -> bool:
    """Whether the schema knows the key, through whatever ``$ref`` and alternatives lie between."""

    def inside(node: Any, rest: list[str]) -> bool:
        if not isinstance(node, dict):
            return False
        if "$ref" in node:
            target: Any = schema
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            return inside(target, rest)
        if not rest:
            return True
        if inside(node.get("items"), rest):
            return True
        if any(inside(one, rest) for how in ("anyOf", "oneOf", "allOf") for one in node.get(how, ())):
            return True
        return inside(node.get("properties", {}).get(rest[0]), rest[1:])

    return inside(schema, path)


def test_the_configuration_in_the_docs_is_right(tmp_path: Path) -> None:
    """Every block of YAML that is a whole configuration loads as it stands."""
    blocks = [block for block in re.findall(r"(?ms)^```yaml\n(.*?)^```", MANUAL) if re.search(r"(?ms)^mode: .*^zoom:", block)]

    assert blocks
    for number, block in enumerate(blocks):
        file = tmp_path / f"{number}.yaml"
        file.write_text(block, encoding="utf-8")
        assert "report" == load(file, {}, check_files=False).mode


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_paths_and_links_of_a_page_lead_somewhere(page: Path) -> None:
    """Files and folders of this repository between backticks, and targets of links from where the page lies."""
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:syncd|tests|config|deploy|docs|\.ci)/[\w./-]*)`", text))
    linked = {target for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text) if "://" not in target}

    assert set() == {path for path in named if not (ROOT / path).exists()} - {"syncd/ledger-head"}  # an annotation
    assert set() == {target for target in linked if not (page.parent / target).exists()}


def test_the_readme_is_short_and_shows_two_commands() -> None:
    """One block of shell: the first word runs the main job, the second passes the tests."""
    assert len(README.splitlines()) <= 180
    assert ["make demo\nmake test\n"] == re.findall(r"(?ms)^```sh\n(.*?)^```", README)


def test_every_room_of_the_program_stands_in_the_architecture() -> None:
    """Whoever adds a room says what it is for and what it may import."""
    rooms = {
        f"syncd/{path.name}{'/' if path.is_dir() else ''}"
        for path in (ROOT / "syncd").iterdir()
        if not path.name.startswith("__")
    }

    assert set() == {room for room in rooms if not re.search(rf"(?m)^\| .*`{re.escape(room)}`.* \|", MANUAL)}
    picture = (ROOT / "docs" / "images" / "rooms.svg").read_text(encoding="utf-8")
    assert set() == {room for room in rooms if room.removeprefix("syncd/") not in picture}


# ------------------------------------------------------------------------------------------------------------- image


def test_the_image_runs_as_a_numeric_user_without_a_shell() -> None:
    """Numeric, so that Kubernetes can see that it is not root; exec form, so that SIGTERM reaches the process."""
    final = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]

    assert re.search(r"(?m)^USER [1-9]\d*:[1-9]\d*$", final)
    assert re.search(r'(?m)^ENTRYPOINT \["syncd"\]$', final)
    assert not re.search(r"(?m)^RUN", final)


def test_the_image_installs_by_hash_from_the_locks() -> None:
    """Every install of something from an index."""
    commands = re.split(r"&&|\n(?=\S)", DOCKERFILE.replace("\\\n", " "))
    installs = [command for command in commands if re.search(r"pip\b.*\binstall\b", command)]

    assert len(installs) > 1
    assert [] == [install for install in installs if not ("--require-hashes" in install or "--no-index" in install)]


def test_only_what_the_image_needs_is_sent_to_its_builder() -> None:
    """A secret or a ledger beside the sources cannot get in."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    images = DOCKERFILE + (ROOT / "Dockerfile.kerberos").read_text(encoding="utf-8")
    copied = {word for line in re.findall(r"(?m)^COPY (?!--from)(.*) \S+$", images) for word in line.split()}

    assert "*" in lines
    assert copied == let_in

"""Each command in the docs and runbooks: a verb of ours is read as the program reads it, others are held to what is here, or to a
reason why they are not run. Links are held by ``test_project_files``; those of the runbooks and of CONTRIBUTING here."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import click
import pytest

from syncd.cli import syncd
from syncd.cli.idle import idle

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "deploy").rglob("*.md")),
]

#: Programs that no test of the docs runs, and why; what of theirs lies in this repository is looked for.
NOT_RUN = {
    "kubectl": "asks a cluster; the manifests themselves are applied to a real API server in tests/kube",
    "helm": "asks a cluster; the chart is rendered and linted in tests/deploy",
    "podman": "needs the image; tests/image builds and runs it",
    "python3": "run as it stands by tests/reports/test_auditors_guide.py",
    "openssl": "run as it stands by tests/reports/test_auditors_guide.py",
    "python": "the generator of rules and dashboard; tests/alerts runs it",
    ".venv/bin/python": "the lab: run as it stands by tests/acceptance/test_get_started.py",
    "export": "run as it stands by tests/acceptance/test_get_started.py",
    "cat": "run as it stands by tests/acceptance/test_handover_walk.py",
    "echo": "run as it stands by tests/acceptance/test_handover_walk.py",
    "sed": "run as it stands by tests/acceptance/test_get_started.py",
    "make": "its words are looked for in the Makefile",
}

#: How-to pages whose commands run elsewhere, and where; or nowhere, and why.
NOT_WALKED = {
    "ledger-lost-or-old": "tests/acceptance/test_ledger_lost.py",
    "kubernetes-chart": "they ask a cluster; the chart is rendered, linted and compared with the manifests in tests/deploy",
    "kubernetes": "they ask a cluster; the manifests are applied to a real API server in tests/kube",
}

#: What stands for something only the reader knows.
STANDS_FOR = {"FIRST_DAY": "2026-10-01", "LAST_DAY": "2026-10-31", "CYCLE": "last"}

_FENCE = re.compile(r"(?ms)^ *```(\w*)\n(.*?)^ *```$")
_INLINE = re.compile(r"(?<!`)`((?:\.venv/bin/)?syncd [^`]+)`(?!`)")


def lines_of(page: Path) -> Iterator[str]:
    """Commands of fenced blocks, continued lines joined; what a program printed or reads (here documents) is no command."""
    for language, block in _FENCE.findall(page.read_text(encoding="utf-8")):
        if language not in ("", "sh"):
            continue
        text = re.sub(r"(?ms)<<'END'\n.*?^END$", "", block).replace("\\\n", " ")
        for line in text.splitlines():
            bare = re.sub(r"\s+#.*", "", line).strip()
            if re.match(r"[\w./-]+( |$)", bare) and not bare.startswith("#") and "…" not in block:
                yield bare


def ours(line: str) -> list[str] | None:
    """The arguments of ``syncd`` in a line, also where kubectl carries it into a pod; None: it is about other programs."""
    words = shlex.split(line.partition(" | ")[0])
    for place, word in enumerate(words):
        if word in ("syncd", ".venv/bin/syncd") and (place == 0 or words[place - 1] == "--"):
            return [STANDS_FOR.get(one, one) for one in words[place + 1 :]]
    return None


def read_as_the_program_would(arguments: list[str]) -> None:
    """Raises click's UsageError for a verb, option or argument that it does not know or misses."""
    command: click.Command = syncd
    context = command.make_context("syncd", [], resilient_parsing=True)
    while isinstance(command, click.Group):
        name, found, arguments = command.resolve_command(context, arguments)
        if found is None:  # a context that forgives is only for the way down
            raise click.UsageError(f"no such verb: {arguments}")
        command = found
        if not isinstance(command, click.Group):
            command.make_context(name, list(arguments), parent=context)


ALL = [(page, line) for page in PAGES for line in lines_of(page)]


@pytest.mark.parametrize(
    ("page", "line"),
    [(page, line) for page, line in ALL if ours(line) is not None],
    ids=lambda value: value.name if isinstance(value, Path) else value[-60:],
)
def test_a_verb_in_the_docs_is_understood(page: Path, line: str) -> None:
    """Whoever copies it meets no usage error."""
    read_as_the_program_would(ours(line) or [])


def test_a_misspelt_verb_or_option_would_be_found() -> None:
    """What the test above rests on."""
    assert len(ALL) > 80
    for wrong in ("ledger verfy", "plan --fromat html", "approve --plan x --by NAME", "report --from FIRST_DAY"):
        with pytest.raises(click.UsageError):
            read_as_the_program_would(ours("syncd " + wrong) or [])
    read_as_the_program_would(ours("kubectl exec deploy/syncd -- syncd report --from FIRST_DAY --to LAST_DAY") or [])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_other_command_says_why_it_is_not_run(page: Path) -> None:
    """And names only folders, words of the Makefile and files that are here (a bare word is a folder of the reader's)."""
    others = [line for line in lines_of(page) if ours(line) is None]

    assert set() == {line.split()[0] for line in others} - set(NOT_RUN)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in others:
        words = shlex.split(line.partition(" | ")[0])
        paths = [word for before, word in pairwise(words) if before in ("-k", "-f", "python") and "/" in word]
        paths += [word for word in words if re.match(r"(deploy|tests|config)/[\w./-]+$", word) and word != "deploy/syncd"]
        assert [] == [path for path in paths if not (ROOT / path).exists()], line
        if words[0] == "make":
            assert re.search(rf"(?m)^{re.escape(words[1])}:", makefile), line


def test_every_how_to_page_is_walked_or_says_why_not() -> None:
    """By tests/acceptance/walk.py. A new page finds its test there, or its reason above."""
    with_commands = set()
    for page in HOW_TO.glob("*.md"):
        blocks = re.findall(r"(?ms)^ *```(\w*)\n(.*?)^ *```$", page.read_text(encoding="utf-8"))
        if any(language in ("", "sh") for language, _ in blocks):
            with_commands.add(page.stem)
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests" / "acceptance").glob("test_*.py"))
    walked = set(re.findall(r"""Walk\(\s*"([\w-]+)\"""", tests))

    assert with_commands == walked | set(NOT_WALKED)
    assert set() == walked & set(NOT_WALKED)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_options_named_in_passing_exist(page: Path) -> None:
    """`syncd verb --option` between backticks, with whatever placeholders."""
    wrong = []
    for text in _INLINE.findall(page.read_text(encoding="utf-8")):
        words = text.split()[1:]
        command: click.Command = syncd
        while isinstance(command, click.Group) and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        if words[:1] == ["idle"] and command is syncd.commands["report"]:
            command = idle
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        known |= {option for parameter in syncd.params for option in parameter.opts} | {"--help", "--config"}
        unknown = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", " ".join(words))) - known
        if unknown or (command is syncd and words and re.fullmatch(r"[a-z]+", words[0])):
            wrong.append(text)
    assert [] == wrong


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.is_relative_to(ROOT / "deploy") or page.parent == ROOT],
    ids=lambda page: page.relative_to(ROOT).as_posix(),
)
def test_links_beside_the_docs_lead_somewhere(page: Path) -> None:
    """Files, and headings within them."""
    for target, anchor in re.findall(r"\]\(([^)#\s:]*)(#[^)\s]*)?\)", page.read_text(encoding="utf-8")):
        there = page.parent / target if target else page
        assert there.exists(), target
        if anchor and there.suffix == ".md":
            headings = re.findall(r"(?m)^#+ (.+)$", there.read_text(encoding="utf-8"))
            slugs = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor[1:] in slugs, (target, anchor)

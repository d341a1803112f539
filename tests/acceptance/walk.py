"""A how-to page as a walk: its blocks of YAML are merged into the configuration and its commands are run, each as it stands
there, in their order, with the exit code that a remark names (`# exit 3`; 0 where none is named)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.acceptance.company import Company, Ran

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
_BLOCK = re.compile(r"(?ms)^ *```(sh|yaml)\n(.*?)^ *```$")


class Walk:
    """One page, from the heading on with which it *begins*: what is left of it to be done."""

    def __init__(self, page: str, company: Company, begins: str = "# ", **stands_for: str) -> None:
        text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
        text = text[text.index(begins) :]
        self.company = company
        self.stands_for = {"DIGEST": "", **stands_for}
        self.left: list[str | dict[str, Any]] = []
        for language, block in _BLOCK.findall(text):
            if language == "yaml":
                self.left.append(yaml.safe_load(re.sub(r"\bon:", '"on":', block)))  # YAML 1.1 takes a bare one for true
            else:
                self.left += [line.strip() for line in block.replace("\\\n", " ").splitlines() if line.strip()]

    def configure(self) -> None:
        """The next block of YAML, into what is configured."""
        block = self.left.pop(0)
        assert isinstance(block, dict), block
        self.company.settings = merged(self.company.settings, block)
        self.company.configure()

    def pass_over(self) -> None:
        """The next block of YAML names what is not here; the program understands it."""
        before = self.company.settings
        self.configure()
        checked = self.company.syncd("check", "--syntax")
        assert 0 == checked.code, checked.said
        self.company.settings = before
        self.company.configure()

    def run(self, count: int = 1) -> Ran:
        """The next commands; what the last one left behind. A plan's digest goes into those that follow."""
        for _ in range(count):
            line = self.left.pop(0)
            assert isinstance(line, str), line
            command, _, remark = line.partition("  #")
            for word, meant in self.stands_for.items():
                command = re.sub(rf"\b{word}\b", meant, command)
            first, *words = shlex.split(command)
            assert first == "syncd", line
            ran = self.company.syncd(*words)
            code = re.search(r"exit (\d+)", remark)
            assert (int(code[1]) if code else 0) == ran.code, (line, ran.said)
            found = re.search(r"--plan ([0-9a-f]+)|^result\t\w+\t([0-9a-f]+)", ran.said, re.MULTILINE)
            if found:
                self.stands_for["DIGEST"] = found[1] or found[2]
        return ran


def merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """*new* laid over *old*, section by section."""
    return {
        **old,
        **{
            key: merged(old[key], value) if isinstance(value, dict) and isinstance(old.get(key), dict) else value
            for key, value in new.items()
        },
    }

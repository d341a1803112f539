"""One bad file per rule, with the expected refusal beside it: reviewers read the messages as people will.

``bad/NAME.yaml`` is a configuration with something wrong, ``bad/NAME.txt`` is what syncd says about it. To see what a
change does to the messages:  UPDATE_EXPECTED=1 pytest tests/config/test_bad_files.py; git diff tests/config
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from syncd.config import explain_problems, load
from syncd.errors import ConfigError

BAD = Path(__file__).parent / "bad"
FILES = sorted(BAD.glob("*.yaml"))
ENV = {
    "ZOOM_SECRET": "hunter2",
    "AD_PASSWORD": "hunter2",
    "ENTRA_SECRET": "hunter2",
    "HOOK": "https://chat.example/hunter2",
    "SIGNING_KEY": "hunter2",
    "EMPTY_VARIABLE": "",
    "LEDGER_URL": "postgresql://syncd:hunter2@db.corp.example/syncd",
}


def refusal(file: Path, working: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a person reads, with the places that differ from machine to machine replaced."""
    monkeypatch.chdir(working)
    with pytest.raises(ConfigError) as caught:
        load(file, ENV)
    assert 2 == caught.value.exit_code
    return explain_problems(caught.value).replace(str(BAD), "<beside>").replace(str(working), "<working>") + "\n"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_bad_file_is_refused_with_every_problem_and_what_to_write_instead(
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The text beside the file is the whole of what is said, word for word."""
    said = refusal(file, tmp_path, monkeypatch)
    beside = file.with_suffix(".txt")
    if os.environ.get("UPDATE_EXPECTED"):
        beside.write_text(said, encoding="utf-8")

    assert beside.read_text(encoding="utf-8") == said


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_refusal_repeats_a_secret_or_speaks_of_the_libraries(
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever was written in a secret's place is not said again, and no word of a library reaches the reader."""
    said = refusal(file, tmp_path, monkeypatch)

    assert "hunter2" not in said
    assert not re.search(r"(?i)pydantic|traceback|input should|value error|yaml\.|valid string|NoneType", said)


def test_every_problem_names_its_line() -> None:
    """Each line under the heading starts with the line in the file, and ends with the place to look things up."""
    for file in FILES:
        heading, *problems, last = file.with_suffix(".txt").read_text(encoding="utf-8").splitlines()
        count = re.search(r": (\d+) problems? in the configuration$", heading)

        assert count is not None, file
        told = [problem for problem in problems if not re.match(r" {4,}\d* *\|", problem)]
        assert int(count[1]) == len(told), file
        assert all(re.match(r"  line \d+: ", problem) for problem in told), file
        assert "syncd schema" in last

"""The daemon's configuration, read by another process: the same values, the same decisions, the same refusals."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from syncd.app import directory_name, in_force, policy_of, schedule_of
from syncd.config import explain_problems, load
from syncd.config.plain import Plain, as_written, plain
from syncd.errors import ConfigError
from tests.config.files import SMALLEST, written
from tests.config.test_examples import EXAMPLE, SHIPPED

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork"), reason="os.fork is missing here: the daemon reads its configuration itself"
)

#: A process that has loaded nothing yet, as the daemon's; what it says is what it was given.
ASKS = """
import os, sys
from pathlib import Path
from syncd.config.apart import reading
config = reading(Path(sys.argv[1]), os.environ)()
print(type(config).__name__, config.mode, config.zoom.client_secret.file, "pydantic" in sys.modules)
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("no child left")
"""


def same(section: Any, values: Any) -> bool:
    """Whether values say everything that a section says, all the way down."""
    if not isinstance(values, Plain):
        if isinstance(values, tuple):
            return len(section) == len(values) and all(map(same, section, values))
        return bool(section == values) and type(section) is type(values)
    names = [*type(section).model_fields, *(name for name, one in vars(type(section)).items() if isinstance(one, property))]
    return all(same(getattr(section, name), getattr(values, name)) for name in names)


def nested(folder: Path) -> Path:
    """Sections in lists, secrets in them, a map, a section that is often missing."""
    return written(
        folder,
        SMALLEST
        + """
match: {domain_aliases: {old.example: corp.example}}
notify: [{webhook_url_env: ZOOM_SECRET, on: [held]}]
schedule: {windows: [{kind: deny, cron: "0 0 * * 6", duration: 4h, except: [disabled_in_directory]}]}
leadership: {lease: {name: syncd, namespace: syncd}}
""",
    )


@pytest.mark.parametrize("path", [*SHIPPED, nested], ids=lambda path: getattr(path, "stem", "nested"))
def test_values_alone_say_what_the_configuration_says(path: Path | Callable[[Path], Path], tmp_path: Path) -> None:
    """Over the pipe and back; so do the policy that decides, and what a cycle records of what was in force."""
    config = load(path if isinstance(path, Path) else path(tmp_path), {}, check_files=False, not_yet=frozenset())
    values = pickle.loads(pickle.dumps(plain(config)))

    assert same(config, values)
    assert (policy_of(config), in_force(config), schedule_of(config), directory_name(config)) == (
        policy_of(values),
        in_force(values),
        schedule_of(values),
        directory_name(values),
    )
    with pytest.raises(AttributeError):
        values.mode = "enforce"


def test_what_a_section_says_leaves_keys_out() -> None:
    """As the section itself would."""
    config = load(EXAMPLE, {}, check_files=False, not_yet=frozenset())
    said = config.zoom.model_dump(mode="json", exclude={"client_secret"})

    assert said == as_written(plain(config).zoom, without=["client_secret"]) == as_written(config.zoom, without=["client_secret"])


def test_another_process_reads_it(tmp_path: Path) -> None:
    """Nothing of what reads it is loaded here, and nobody is left behind."""
    (tmp_path / "secret").write_text("x", encoding="utf-8")
    (tmp_path / "people.csv").write_text("email,entitled\n", encoding="utf-8")
    path = written(tmp_path, SMALLEST.replace("client_secret_env: ZOOM_SECRET", "client_secret_file: secret"))
    ran = subprocess.run([sys.executable, "-c", ASKS, path], capture_output=True, text=True, check=False, timeout=60)

    assert ("", f"Plain report {tmp_path / 'secret'} False\nno child left\n") == (ran.stderr, ran.stdout)


def test_a_refusal_is_told_in_full(tmp_path: Path) -> None:
    """With every problem and its line, as by every other verb."""
    path = tmp_path / "syncd.yaml"
    path.write_text("mode: reprot\nzoom: {account_id: a}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as refused:
        load(path, {})
    ran = subprocess.run(
        [sys.executable, "-m", "syncd", "run", "--config", path], capture_output=True, text=True, check=False, timeout=60
    )

    assert (2, f"syncd: {explain_problems(refused.value)}\n") == (ran.returncode, ran.stderr)

"""Reading a configuration: one YAML file, strict, every problem at once with its line and what to write instead.

Knows nothing of what the settings do. Reads files and variables only to see that they are there; a secret is never kept.

Paths: what is read (secrets, CA files, a directory file) is looked for beside the configuration file and then in the
working directory; what is written (reports, a ledger's ``sqlite:///`` path) is relative to the working directory.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from syncd.config.document import Document, Problem, parse
from syncd.config.models import Config
from syncd.config.not_yet import NOT_YET
from syncd.config.places import Surroundings
from syncd.config.problems import found_by_model, lines
from syncd.config.rules import broken_rules
from syncd.config.traps import traps
from syncd.errors import ConfigError


def load(path: Path, env: Mapping[str, str], *, check_files: bool = True, not_yet: frozenset[str] = NOT_YET) -> Config:
    """Reads a configuration file, or raises ConfigError with everything that is wrong with it.

    *env* is the environment secrets may stand in. With *check_files* false, files and variables it names may be missing.
    *not_yet* names the features that are refused for now.
    """
    document = parse(_read(path))
    problems = [*document.problems]
    config = None
    if document.values is not None:
        around = Surroundings(path.resolve().parent, Path.cwd(), env, check_files)
        try:
            config = Config.model_validate(document.values, context=around)
        except ValidationError as error:
            problems.extend(found_by_model(error))
        problems.extend(broken_rules(document.values, around, not_yet))
        problems = _once(problems, [*traps(document)])
    if problems or config is None:
        raise _refusal(path, document, problems)
    return config


def faults_in(data: bytes, beside: Path, env: Mapping[str, str]) -> list[tuple[str, str]]:
    """Everything wrong with a configuration that is still being written, as (dotted path, what and what to do). Files and
    variables it names may be missing."""
    document = parse(data)
    problems = [*document.problems]
    if document.values is not None:
        around = Surroundings(beside, Path.cwd(), env, check_files=False)
        try:
            Config.model_validate(document.values, context=around)
        except ValidationError as error:
            problems.extend(found_by_model(error))
        problems.extend(broken_rules(document.values, around, NOT_YET))
        problems = _once(problems, [*traps(document)])
    return [(".".join(map(str, one.where)), f"{one.what}; {one.do}" if one.do else one.what) for one in problems]


def explain_problems(error: ConfigError) -> str:
    """The whole of a refusal as text for a person: how many problems, each on its line, and where to look things up."""
    return str(error)


def example() -> str:
    """The example configuration: every key with its default, its unit and why one would change it."""
    return (Path(__file__).parent / "syncd.example.yaml").read_text(encoding="utf-8")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such configuration file", do=_NAME_IT) from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a directory, not a configuration file", do=_NAME_IT) from None
    except PermissionError:
        do = "Let the user syncd runs as read it."
        raise ConfigError(f"{path}: this user may not read the configuration file", do=do) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a path"
        raise ConfigError(f"{path}: the configuration file cannot be read ({reason})", do=_NAME_IT) from None


_NAME_IT = "Name it with --config FILE or in $SYNCD_CONFIG."


def _refusal(path: Path, document: Document, problems: list[Problem]) -> ConfigError:
    said = lines(problems, document)
    return ConfigError(
        f"{path}: {len(said)} problem{'' if len(said) == 1 else 's'} in the configuration",
        said,
        "Every key is explained in config/syncd.example.yaml; `syncd schema` prints the schema.",
    )


def _once(problems: list[Problem], traps: list[Problem]) -> list[Problem]:
    """A value that is a trap is told as that: what the model says about the same value would only distract."""
    trapped = {problem.where for problem in traps if problem.where}
    lists = {where[:-1] for where in trapped if isinstance(where[-1], int)}

    def kept(problem: Problem) -> bool:
        where = problem.where
        return not (where in trapped or (where and isinstance(where[-1], int) and where[:-1] in lists))

    return [*filter(kept, problems), *traps]

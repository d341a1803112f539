"""Who may import whom, and who may call the clock: the table of the architecture, held by reading the source."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "syncd").rglob("*.py"))

VALUES = {"model", "errors"}
CYCLE = {"cycle", "effects", "byhand", "review", "looking", "seats", "scribe"}

#: Where the parts are put together: the composition root, the command line, and programs of their own.
COMPOSING = {"app", "cli", "demo", "__main__", "lab.__main__"}

#: Room -> the rooms of ours it may import. A room is a module of syncd, or a package of it with everything below.
OURS: dict[str, set[str]] = {
    "model": set(),
    "errors": set(),
    "events": VALUES,
    "core": VALUES | {"core"},
    "ports": VALUES | {"events", "core.history"},
    **dict.fromkeys(CYCLE, VALUES | CYCLE | {"core", "events", "ports"}),
    "daemon": VALUES | CYCLE | {"core", "events", "ports"},
    "reports": VALUES | {"reports", "seats"},
    "filing": VALUES | {"core", "events", "ports", "reports"},
    "config": VALUES | {"config"},
    "lab": VALUES | {"lab"},
}

#: What adapters may import: of each other only the shared HTTP policy, clock and secrets, and their own package.
ADAPTERS = VALUES | {
    "events", "ports", "core.pace", "core.chain", "core.lease", "core.history",
    "adapters.http", "adapters.clock", "adapters.secrets",
}

#: Rooms that need nothing but the standard library (and each other).
STANDARD_ONLY = {"model", "errors", "events", "ports", "core", *CYCLE, "daemon"}

#: Modules in which a library may be imported, for those that belong to one place.
ONLY_IN = {
    "httpx": {"adapters.http"},
    "cronsim": {"core.schedule", "config"},
    "ldap3": {"adapters.directory"},
    "sqlalchemy": {"adapters.ledger"},
    "structlog": {"adapters.observe"},
    "prometheus_client": {"adapters.observe"},
    "pydantic": {"config"},
    "yaml": {"config", "adapters.directory"},
    "click": {"cli", "__main__"},
    "cryptography": {"adapters.signing", "adapters.directory", "lab"},
    "rich": {"cli", "reports", "demo"},
}

#: Time, sleep and randomness. The clock adapter is where they are called; everybody else takes a Clock.
CLOCKS = {
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.sleep", "asyncio.sleep",
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "datetime.datetime.now", "datetime.datetime.utcnow",
    "uuid.uuid1", "uuid.uuid4", "os.urandom",
}


#: The one other place: a salt must be unguessable, and nothing is decided by it.
RANDOM_ON_PURPOSE = {("adapters.ledger.personal", "os.urandom")}


def module_of(path: Path) -> str:
    """``core.decide`` for syncd/core/decide.py; a package's own file is the package."""
    parts = path.relative_to(ROOT / "syncd").with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def within(module: str, rooms: set[str]) -> bool:
    """Whether a module is one of these rooms or lies in one of them."""
    return any(module == room or module.startswith(room + ".") for room in rooms)


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module imported, wherever it stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            if node.module == "syncd" or node.module.startswith("syncd."):
                yield from (_target(node.module, alias.name) for alias in node.names)
            else:
                yield node.module


def _target(module: str, name: str) -> str:
    """``from syncd.core import record`` imports the module syncd.core.record."""
    path = ROOT.joinpath(*module.split("."), name)
    return f"{module}.{name}" if path.with_suffix(".py").exists() or path.is_dir() else module


def forbidden(module: str, imported: str) -> bool:
    """Whether the table forbids this import."""
    library = imported.split(".")[0]
    if library != "syncd":
        if library in ONLY_IN and not within(module, ONLY_IN[library]):
            return True
        allowed = library in sys.stdlib_module_names or within(module, ONLY_IN.get(library, set()))
        return within(module, STANDARD_ONLY) and not allowed
    target = imported.removeprefix("syncd").removeprefix(".")
    if not target or within(module, COMPOSING):
        return False                                # the version; whoever puts parts together
    if within(module, {"adapters"}):
        own = {".".join(module.split(".")[:2])} if module.count(".") > 1 or module.split(".")[-1] in PACKAGES else set()
        return not within(target, ADAPTERS | own)
    return not within(target, OURS.get(module.split(".")[0], set()))


#: Packages below adapters: their own files may import each other.
PACKAGES = {path.name for path in (ROOT / "syncd" / "adapters").iterdir() if path.is_dir()}


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@pytest.mark.parametrize("path", SOURCES, ids=module_of)
def test_a_module_imports_only_what_its_room_may(path: Path):
    """The table above."""
    assert [] == sorted(name for name in set(imports(parsed(path))) if forbidden(module_of(path), name))


def calls(tree: ast.AST) -> Iterator[str]:
    """Dotted names of everything called, or handed over to be called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node)


@pytest.mark.parametrize("path", [path for path in SOURCES if module_of(path) != "adapters.clock"], ids=module_of)
def test_nobody_but_the_clock_adapter_calls_time_sleep_or_randomness(path: Path):
    """The lab has its own time unless it is run by hand; tests of days then run in milliseconds."""
    tree = parsed(path)
    names = {*calls(tree), *imports(tree)}

    assert [] == sorted(
        name for name in names if (name in CLOCKS or name.split(".")[0] in ("random", "secrets"))
        and name not in ("secrets", "secrets.compare_digest") and (module_of(path), name) not in RANDOM_ON_PURPOSE
    )


def test_the_rules_are_about_modules_that_exist():
    """A room that was renamed must be renamed here too."""
    modules = {module_of(path) for path in SOURCES}
    rooms = {*OURS, *ADAPTERS, *STANDARD_ONLY, *COMPOSING, *(room for places in ONLY_IN.values() for room in places)}

    assert [] == sorted(room for room in rooms if not any(within(module, {room}) for module in modules))


@pytest.mark.parametrize(("module", "imported"), [
    ("core.decide", "syncd.events"), ("core.decide", "httpx"), ("core.match", "cronsim"), ("cycle", "syncd.adapters.clock"),
    ("cycle", "syncd.reports.document"), ("adapters.zoom.api", "syncd.adapters.ledger.store"), ("adapters.http", "syncd.config"),
    ("adapters.zoom.api", "syncd.core.decide"), ("adapters.zoom.api", "httpx"), ("model", "syncd.errors"),
    ("lab.zoom", "syncd.app"),
    ("reports.document", "syncd.core.record"), ("config.models", "syncd.adapters.secrets"), ("effects", "pydantic"),
])
def test_the_table_forbids_what_it_should(module: str, imported: str):
    """The test itself is right."""
    assert forbidden(module, imported)

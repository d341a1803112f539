"""Who may import whom, and who may call the clock: the table of the architecture, held by reading the source."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "syncd").rglob("*.py"))

VALUES = {"model", "errors", "reading", "concurrency"}
PURE = {
    "ledger.chain",
    "ledger.entry",
    "ledger.entries",
    "ledger.history",
    "ledger.record",
    "ledger.audit",
    "ledger.blankings",
    "ledger.recorded_files",
}
CYCLE = {"execution", "operations"}

#: Where the parts are put together: the composition root, the command line, and programs of their own.
COMPOSING = {
    "app",
    "ledgers",
    "cli",
    "lab.demo",
    "lab.demo_handover",
    "lab.demo_watch",
    "__main__",
    "lab.__main__",
    *(f"directories.{kind}.kind" for kind in ("active_directory", "entra", "file")),
}

#: Room -> the rooms of ours it may import, itself not named. A room is a module of syncd, or a package of it with everything
#: below; the longest room that fits a module is the one it lies in. Downwards only: what stands further up here is below.
OURS: dict[str, set[str]] = {
    "errors": set(),
    "concurrency": {"errors"},
    "reading": set(),
    "model": {"reading"},
    "events": VALUES,
    "planning": VALUES | {"ledger.history"},
    "ledger": VALUES,
    "ports": VALUES | {"events", "ledger.history"},
    "execution": VALUES | PURE | {"planning", "events", "ports"},
    "operations": VALUES | PURE | {"execution", "planning", "events", "ports"},
    "reports": VALUES | {"execution.licences"},
    "evidence": VALUES
    | PURE
    | {"events", "ports", "reports", "planning.policy_change", "planning.witness", "planning.windows", "operations.schedule"},
    "config": VALUES | {"planning.windows"},
    "lab": VALUES,
    # Adapters know what they implement, the shared HTTP policy, clock and secrets, and their own library; never each other.
    "host": VALUES | {"ports"},
    "http": VALUES | {"events", "ports", "host"},
    "leadership": VALUES | {"events", "ports", "host", "http"},
    "observe": VALUES | {"directories.kinds", "events", "ports", "host", "http"},
    "zoom": VALUES | {"events", "ports", "host", "http"},
    "directories": VALUES | {"events", "ports", "host", "http"},
    "ledger.storage": VALUES
    | {
        "events",
        "ports",
        "host",
        "ledger.chain",
        "ledger.history",
        "ledger.audit",
        "ledger.blankings",
        "ledger.record",
    },
}

#: Rooms that need nothing but the standard library, each other, and what ONLY_IN gives them.
STANDARD_ONLY = {"model", "errors", "concurrency", "events", "ports", "planning", *PURE, *CYCLE}

#: Modules in which a library may be imported, for those that belong to one place.
ONLY_IN = {
    "httpx": {"http.client"},
    "websockets": {"zoom.events"},
    "idna": {"model.address"},
    "difflib": {"model.near", "planning.reach"},
    "cronsim": {"operations.schedule", "planning.windows", "config"},
    "ldap3": {"directories.active_directory"},
    "sqlite3": {"ledger.storage"},
    "psycopg": {"ledger.storage"},
    "structlog": {"observe"},
    "prometheus_client": {"observe"},
    "pydantic": {"config"},
    "yaml": {"config", "directories.file"},
    "click": {"cli", "__main__"},
    "cryptography": {"host.signing", "host.sshsig", "host.certificates", "directories", "lab"},
    "msgspec": {"model", "planning", "operations", "http", "zoom", "directories", "lab", "ledger"},
    "rich": {"cli", "reports", "lab.demo"},
}

#: Rooms that decide, remember or prove, with values in and values out; below them, lines in which a value's type is not said
#: (``Any``, imports not counted). 104 in version 0.1.0; the number may only fall: whoever takes one out lowers it.
VALUES_IN_AND_OUT = {"model", "reading", "planning", "ledger", "evidence"}
ANY_LINES_MOST = 27

#: Time, sleep and randomness. The clock adapter is where they are called; everybody else takes a Clock.
CLOCKS = {
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "time.monotonic_ns",
    "time.perf_counter",
    "time.sleep",
    "asyncio.sleep",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "uuid.uuid1",
    "uuid.uuid4",
    "os.urandom",
}


#: The one other place: a salt must be unguessable, and nothing is decided by it.
RANDOM_ON_PURPOSE = {("ledger.storage.personal", "os.urandom")}


def module_of(path: Path) -> str:
    """``planning.decide`` for syncd/planning/decide.py; a package's own file is the package."""
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
    """``from syncd.ledger import record`` imports the module syncd.ledger.record."""
    path = ROOT.joinpath(*module.split("."), name)
    return f"{module}.{name}" if path.with_suffix(".py").exists() or path.is_dir() else module


def forbidden(module: str, imported: str) -> bool:
    """Whether the table forbids this import."""
    library = imported.split(".", maxsplit=1)[0]
    if library != "syncd":
        if library in ONLY_IN and not within(module, ONLY_IN[library]):
            return True
        allowed = library in sys.stdlib_module_names or within(module, ONLY_IN.get(library, set()))
        return within(module, STANDARD_ONLY) and not allowed
    target = imported.removeprefix("syncd").removeprefix(".")
    if not target or within(module, COMPOSING):
        return False  # the version; whoever puts parts together
    room = room_of(module)
    return not within(target, OURS[room]) and (target in OURS or room_of(target) != room)


def room_of(module: str) -> str:
    """The longest room of the table that this module lies in; "" for one that lies in none and may be imported by nobody."""
    return max((room for room in OURS if within(module, {room})), key=len, default="")


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


@pytest.mark.parametrize("path", [path for path in SOURCES if module_of(path) != "host.clock"], ids=module_of)
def test_nobody_but_the_clock_adapter_calls_time_sleep_or_randomness(path: Path):
    """The lab has its own time unless it is run by hand; tests of days then run in milliseconds."""
    tree = parsed(path)
    names = {*calls(tree), *imports(tree)}

    assert [] == sorted(
        name
        for name in names
        if (name in CLOCKS or name.split(".")[0] in ("random", "secrets"))
        and name not in ("secrets", "secrets.compare_digest")
        and (module_of(path), name) not in RANDOM_ON_PURPOSE
    )


def test_the_rules_are_about_modules_that_exist():
    """A room that was renamed must be renamed here too."""
    modules = {module_of(path) for path in SOURCES}
    rooms = {*OURS, *STANDARD_ONLY, *COMPOSING, *(room for places in (*OURS.values(), *ONLY_IN.values()) for room in places)}

    assert [] == sorted(room for room in rooms if not any(within(module, {room}) for module in modules))


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("planning.decide", "syncd.events"),
        ("planning.decide", "httpx"),
        ("planning.match", "cronsim"),
        ("config.problems", "difflib"),
        ("operations.cycle", "syncd.host.clock"),
        ("operations.cycle", "syncd.reports.document"),
        ("zoom.api", "syncd.ledger.storage.store"),
        ("zoom.api", "syncd.directories.membership"),
        ("http.client", "syncd.config"),
        ("zoom.api", "syncd.planning.decide"),
        ("zoom.api", "httpx"),
        ("model.plan", "syncd.errors"),
        ("model.plan", "syncd.planning.match"),
        ("lab.zoom.service", "syncd.app"),
        ("execution.executor", "syncd.operations.cycle"),
        ("reports.document", "syncd.ledger.record"),
        ("config.models", "syncd.host.secrets"),
        ("execution.executor", "pydantic"),
        ("ledger.chain", "syncd.ledger.storage.store"),
        ("planning.guards", "syncd.execution.executor"),
    ],
)
def test_the_table_forbids_what_it_should(module: str, imported: str):
    """The test itself is right."""
    assert forbidden(module, imported)


def test_a_long_file_says_at_its_head_why_it_is_no_two() -> None:
    """More than 400 lines is a question: either it has two purposes, or its docstring says why one page is better."""
    long = [path for path in SOURCES if len(path.read_text(encoding="utf-8").splitlines()) > 400]

    assert [] == [
        str(path.relative_to(ROOT))
        for path in long
        if "More than 400 lines: " not in (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
    ]


def test_pure_rooms_say_the_types_of_their_values() -> None:
    """What is read back from a recorded body may be of any type; everything else has one."""
    lines = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        if within(module_of(path), VALUES_IN_AND_OUT) and not within(module_of(path), {"ledger.storage"})
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Name) and node.id == "Any"
    }

    assert len(lines) <= ANY_LINES_MOST, sorted(lines)


def test_no_exception_is_raised_out_of_an_except_star():
    """Before Python 3.11.4 it comes out wrapped in a group, which nobody expects; ``concurrency`` raises the failure itself."""
    assert not [path for path in SOURCES if any(isinstance(node, ast.TryStar) for node in ast.walk(ast.parse(path.read_text())))]

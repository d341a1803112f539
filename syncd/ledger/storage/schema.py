"""The tables of a ledger, and how an older ledger becomes a newer one. One schema for every database.

``chain`` only grows: triggers refuse whatever else is tried with it. That keeps mistakes out; somebody who edits the
file itself is found by the hashes. Everything else lies beside the chain and is no part of it: ``personal`` (names and
addresses under salted hashes), ``fence`` (the newest leadership term), ``state`` (cursors and budgets).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    func,
    insert,
    inspect,
    select,
    update,
)

from syncd.errors import LedgerError

METADATA = MetaData()

#: SQLite keeps rows in the order of an INTEGER primary key and of no other type.
_SEQUENCE = BigInteger().with_variant(Integer, "sqlite")

#: The columns stand in the order of ``model.LedgerEntry``.
CHAIN = Table(
    "chain",
    METADATA,
    Column("seq", _SEQUENCE, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("cycle", Text, nullable=False),
    Column("term", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Index("chain_by_cycle", "cycle"),
    Index("chain_by_kind", "kind"),
    Index("chain_by_term", "term"),
)

PERSONAL = Table(
    "personal",
    METADATA,
    Column("ref", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("salt", LargeBinary),  # null once blanked, as value
    Column("value", Text),  # canonical JSON
    Column("first_at", Text, nullable=False),
    Column("last_at", Text, nullable=False),  # when an entry last referred to it
    Column("blanked_at", Text),
    Index("personal_by_subject", "subject"),
)

FENCE = Table("fence", METADATA, Column("id", Integer, primary_key=True), Column("term", BigInteger, nullable=False))

STATE = Table("state", METADATA, Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

SCHEMA_VERSION = Table("schema_version", METADATA, Column("version", Integer, nullable=False))

#: What guards the chain in SQLite. The last one also stops INSERT OR REPLACE, which fires no delete trigger.
SQLITE_TRIGGERS = {
    "chain_no_update": "BEFORE UPDATE ON chain BEGIN SELECT RAISE(ABORT, 'the chain is append-only'); END",
    "chain_no_delete": "BEFORE DELETE ON chain BEGIN SELECT RAISE(ABORT, 'the chain is append-only'); END",
    "chain_in_order": "BEFORE INSERT ON chain WHEN NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM chain) "
    "BEGIN SELECT RAISE(ABORT, 'the chain continues at its end only'); END",
}


#: The same in PostgreSQL, as (when, its function's body).
POSTGRES_TRIGGERS = {
    "chain_no_update": ("BEFORE UPDATE OR DELETE ON chain FOR EACH ROW", "RAISE EXCEPTION 'the chain is append-only';"),
    "chain_no_truncate": ("BEFORE TRUNCATE ON chain FOR EACH STATEMENT", "RAISE EXCEPTION 'the chain is append-only';"),
    "chain_in_order": (
        "BEFORE INSERT ON chain FOR EACH ROW",
        (
            "IF NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM chain) THEN "
            "RAISE EXCEPTION 'the chain continues at its end only'; END IF; RETURN NEW;"
        ),
    ),
}


def guards_fault(ours: Mapping[str, object], there: Mapping[str, object]) -> str:
    """What is wrong with the triggers of a database (name -> what it is), or nothing: one is missing, says something else, or
    is not ours."""
    found = [
        (sorted(ours.keys() - there.keys()), "removed what guards the chain against changes"),
        (
            sorted(name for name in ours.keys() & there.keys() if ours[name] != there[name]),
            "changed what guards the chain against changes",
        ),
        (sorted(there.keys() - ours.keys()), "added triggers to the ledger"),
    ]
    return "; ".join(f"somebody {did}: {', '.join(names)}" for names, did in found if names)


def structure_fault(connection: Connection) -> str:
    """What is wrong with the tables and indexes of a ledger, or nothing: each of ours must be there, a table no view, an index of
    the same columns and of every row. More indexes do no harm."""
    inspector = inspect(connection)
    tables = set(inspector.get_table_names())
    if missing := sorted(METADATA.tables.keys() - tables):
        return f"somebody replaced or removed tables of the ledger: {', '.join(missing)}"
    changed = []
    for table in METADATA.sorted_tables:
        there = {index["name"]: index for index in inspector.get_indexes(table.name)}
        for index in table.indexes:
            found = there.get(index.name)
            partial = found is not None and any(name.endswith("_where") for name in found.get("dialect_options") or {})
            if found is None or partial or found["unique"] or list(found["column_names"]) != [one.name for one in index.columns]:
                changed.append(str(index.name))
    return f"somebody changed or removed indexes of the ledger: {', '.join(sorted(changed))}" if changed else ""


def _version_1(connection: Connection) -> None:
    METADATA.create_all(connection, checkfirst=False)
    connection.execute(insert(FENCE).values(id=1, term=0))
    if connection.dialect.name == "sqlite":
        for name, trigger in SQLITE_TRIGGERS.items():
            connection.exec_driver_sql(f"CREATE TRIGGER {name} {trigger}")
    else:
        for name, (when, body) in POSTGRES_TRIGGERS.items():
            connection.exec_driver_sql(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$")
            connection.exec_driver_sql(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {name}()")


#: Number n of this list turns version n of the schema into n + 1. Never changed afterwards, only added to.
MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_version_1,)

#: The version this program reads and writes.
NEWEST = len(MIGRATIONS)


def insert_rows(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Inserts plain values, every column given, in one go. Past Core's per-row handling, which would be a quarter of the time
    of a large append: a first cycle brings one entry for each of 100,000 accounts."""
    statement = insert(table).compile(dialect=connection.dialect)
    names = statement.positiontup
    parameters = rows if names is None else [tuple(row[name] for name in names) for row in rows]
    connection.exec_driver_sql(str(statement), parameters)


def version_of(connection: Connection) -> int:
    """The schema version of a database; 0 when it holds no ledger yet. Raises LedgerError when it is newer than we are."""
    if not inspect(connection).has_table(SCHEMA_VERSION.name):
        return 0
    version: int = connection.execute(select(func.max(SCHEMA_VERSION.c.version))).scalar() or 0
    if version > NEWEST:
        raise LedgerError(
            f"the ledger was written by a newer syncd: its schema is version {version}, this one knows up to {NEWEST}",
            "Run the newer syncd, or go back to a copy of the ledger from before the upgrade.",
        )
    return version


def bring_up_to_date(connection: Connection) -> int:
    """Applies the migrations that are missing, inside the caller's transaction, which must keep other writers out: of two
    processes that start together the second finds nothing to do. Gives the version found. Raises LedgerError."""
    found = version_of(connection)
    for migrate in MIGRATIONS[found:]:
        migrate(connection)
    if found == 0:
        connection.execute(insert(SCHEMA_VERSION).values(version=NEWEST))
    elif found < NEWEST:
        connection.execute(update(SCHEMA_VERSION).values(version=NEWEST))
    return found

"""The tables of a ledger, and how an older ledger becomes a newer one. One schema for every database.

``chain`` only grows: triggers refuse whatever else is tried with it. That keeps mistakes out; somebody who edits the
file itself is found by the hashes. Everything else lies beside the chain and is no part of it: ``personal`` (names and
addresses under salted hashes), ``fence`` (the newest leadership term), ``state`` (cursors and budgets).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields

from syncd.errors import LedgerError
from syncd.ledger.storage.sql import Connection, marks
from syncd.model import LedgerEntry

#: The tables as version 1 made them, {sequence}, {bytes} being a database's own words. SQLite keeps rows in the order of an
#: INTEGER primary key and of no other type. The columns of the chain stand in the order of ``model.LedgerEntry``; salt and value
#: of a person are null once blanked, value is canonical JSON, last_at says when an entry last referred to it.
_TABLES = {
    "chain": "seq {sequence} NOT NULL, at TEXT NOT NULL, cycle TEXT NOT NULL, term BIGINT NOT NULL, kind TEXT NOT NULL, "
    "subject TEXT NOT NULL, body TEXT NOT NULL, previous_hash TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (seq)",
    "fence": "id INTEGER NOT NULL, term BIGINT NOT NULL, PRIMARY KEY (id)",
    "personal": "ref TEXT NOT NULL, subject TEXT NOT NULL, salt {bytes}, value TEXT, first_at TEXT NOT NULL, "
    "last_at TEXT NOT NULL, blanked_at TEXT, PRIMARY KEY (ref)",
    "schema_version": "version INTEGER NOT NULL",
    "state": "key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (key)",
}

_WORDS = {"sqlite": {"sequence": "INTEGER", "bytes": "BLOB"}, "postgresql": {"sequence": "BIGINT", "bytes": "BYTEA"}}

#: Index -> its table and column.
_INDEXES = {
    "chain_by_cycle": ("chain", "cycle"),
    "chain_by_kind": ("chain", "kind"),
    "chain_by_term": ("chain", "term"),
    "personal_by_subject": ("personal", "subject"),
}

#: So many leaders there will never be: a term beyond it was written by somebody else.
LAST_TERM = 2**53

#: The columns of an entry, as a query names them.
ENTRY = ", ".join(field.name for field in fields(LedgerEntry))

#: The columns of a row about somebody.
PERSON = "ref, subject, salt, value, first_at, last_at, blanked_at"

#: What a database holds: its tables (no views), whether one is there, and of a table's indexes name, whether unique, whether of
#: some rows only, and columns in their order.
_ASKED = {
    "sqlite": {
        "tables": "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
        "there": "SELECT count(*) FROM sqlite_master WHERE type IN ('table', 'view') AND name = ?",
        "indexes": 'SELECT i.name, i."unique", i.partial, c.name FROM pragma_index_list(?) AS i, pragma_index_info(i.name) AS c '
        "ORDER BY i.name, c.seqno",
    },
    "postgresql": {
        "tables": "SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE relkind IN ('r', 'p') "
        "AND relpersistence <> 't' AND pg_table_is_visible(pg_class.oid) AND nspname <> 'pg_catalog' ORDER BY relname",
        "there": "SELECT count(to_regclass(?))",
        "indexes": "SELECT name.relname, indisunique, indpred IS NOT NULL, attname FROM pg_index "
        "JOIN pg_class AS name ON name.oid = indexrelid CROSS JOIN unnest(indkey::int2[]) WITH ORDINALITY AS key (number, place) "
        "LEFT JOIN pg_attribute ON attrelid = indrelid AND attnum = number "
        "WHERE indrelid = to_regclass(?) AND place <= indnkeyatts ORDER BY name.relname, place",
    },
}

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


def is_term(value: object) -> bool:
    """Whether this is a leadership term, after which there can be more."""
    return isinstance(value, int) and 0 <= value < LAST_TERM


def tables_fault(there: Mapping[str, object]) -> str:
    """What is wrong with the tables of SQLite (name -> the text that made them), or nothing: a table with other rules takes, or
    drops, what ours would not. 0.1.0 set the same words on lines of their own."""
    ours = {name: f"CREATE TABLE {name} ({columns.format(**_WORDS['sqlite'])})" for name, columns in _TABLES.items()}
    changed = sorted(name for name in ours if _words(there.get(name)) != _words(ours[name]))
    return f"somebody rebuilt tables of the ledger: {', '.join(changed)}" if changed else ""


def _words(text: object) -> str:
    return "".join(str(text).replace('"', "").split())


def tables_in(connection: Connection) -> list[str]:
    """The names of all tables that a statement finds, ours and others."""
    return [str(name) for name in connection.column(_ASKED[connection.dialect]["tables"])]


def structure_fault(connection: Connection) -> str:
    """What is wrong with the tables and indexes of a ledger, or nothing: each of ours must be there, a table no view, an index of
    the same columns and of every row, one term in the fence. More indexes do no harm."""
    if missing := sorted(_TABLES.keys() - set(tables_in(connection))):
        return f"somebody replaced or removed tables of the ledger: {', '.join(missing)}"
    terms = connection.column("SELECT term FROM fence")
    if len(terms) != 1 or not is_term(terms[0]):
        return "somebody edited the table fence, which holds the newest leadership term"
    changed = []
    for index, (table, column) in _INDEXES.items():
        rows = connection.execute(_ASKED[connection.dialect]["indexes"], (table,))
        found = [(bool(unique), bool(partial), of) for name, unique, partial, of in rows if name == index]
        if found != [(False, False, column)]:
            changed.append(index)
    return f"somebody changed or removed indexes of the ledger: {', '.join(sorted(changed))}" if changed else ""


def _version_1(connection: Connection) -> None:
    for table, columns in _TABLES.items():
        connection.execute(f"CREATE TABLE {table} ({columns.format(**_WORDS[connection.dialect])})")
        for index, (of, column) in _INDEXES.items():
            if of == table:
                connection.execute(f"CREATE INDEX {index} ON {table} ({column})")
    connection.execute("INSERT INTO fence (id, term) VALUES (1, 0)")
    if connection.dialect == "sqlite":
        for name, trigger in SQLITE_TRIGGERS.items():
            connection.execute(f"CREATE TRIGGER {name} {trigger}")
    else:
        for name, (when, body) in POSTGRES_TRIGGERS.items():
            connection.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$")
            connection.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION {name}()")


#: Number n of this list turns version n of the schema into n + 1. Never changed afterwards, only added to.
MIGRATIONS: tuple[Callable[[Connection], None], ...] = (_version_1,)

#: The version this program reads and writes.
NEWEST = len(MIGRATIONS)


def insert_rows(connection: Connection, table: str, columns: str, rows: Iterable[tuple[object, ...]]) -> None:
    """Inserts rows, every column given, in one go: a first cycle brings one entry for each of 100,000 accounts."""
    connection.many(f"INSERT INTO {table} ({columns}) VALUES {marks(columns.split(','))}", rows)  # noqa: S608 (names of this page)


def version_of(connection: Connection) -> int:
    """The schema version of a database; 0 when it holds no ledger yet. Raises LedgerError when it is newer than we are."""
    if not connection.value(_ASKED[connection.dialect]["there"], ("schema_version",)):
        return 0
    version = connection.value("SELECT max(version) FROM schema_version") or 0
    if not isinstance(version, int):
        raise LedgerError(
            f"the ledger's schema is of the version {version!r}, which is none: it was edited",
            "Keep it as evidence and put a copy of the ledger back.",
        )
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
        connection.execute("INSERT INTO schema_version (version) VALUES (?)", (NEWEST,))
    elif found < NEWEST:
        connection.execute("UPDATE schema_version SET version = ?", (NEWEST,))
    return found


def demand_ours(connection: Connection, where: str, kind: str) -> None:
    """Raises LedgerError for a database that holds tables and none of a ledger."""
    tables = tables_in(connection)
    if tables and "schema_version" not in tables:
        raise LedgerError(f"{where} is {kind} (it has a table {tables[0]})", "Is ledger.url right?")

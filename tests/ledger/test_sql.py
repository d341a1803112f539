"""What lies between the ledger and two databases: addresses as people write them, statements, rows in pieces."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from syncd.errors import ConfigError
from syncd.ledger.storage.address import address_of
from syncd.ledger.storage.schema import bring_up_to_date, structure_fault, tables_in, version_of
from syncd.ledger.storage.sql import Connection, marks


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://db.corp.example/syncd", {"host": "db.corp.example", "dbname": "syncd"}),
        ("POSTGRES://syncd@db/syncd", {"user": "syncd", "host": "db", "dbname": "syncd"}),
        (
            "postgresql+psycopg://syncd:p%40ss/w#o?r:d@db:5433/syncd",  # whatever is no @ may stand in a password as it is
            {"user": "syncd", "password": "p@ss/w#o?r:d", "host": "db", "port": "5433", "dbname": "syncd"},
        ),
        ("postgresql://[2001:db8::1]:5432/syncd", {"host": "2001:db8::1", "port": "5432", "dbname": "syncd"}),
        ("postgresql:///syncd?host=/run/postgresql", {"host": "/run/postgresql", "dbname": "syncd"}),
        (
            "postgresql://db/syncd?sslmode=verify-full&sslrootcert=/etc/ssl/ca%20of%20us.pem",
            {"host": "db", "dbname": "syncd", "sslmode": "verify-full", "sslrootcert": "/etc/ssl/ca of us.pem"},
        ),
        (
            "postgresql://u@/syncd?host=db1:5432&host=db2:5433&target_session_attrs=read-write",
            {"user": "u", "host": "db1,db2", "port": "5432,5433", "dbname": "syncd", "target_session_attrs": "read-write"},
        ),
    ],
)
def test_an_address_is_understood(url: str, says: dict[str, str]) -> None:
    """Every part as the driver takes it, ports and names of several servers too."""
    assert says == address_of(url)


@pytest.mark.parametrize(
    "url", ["postgresql://hunter2@db", "postgresql://u:hunter2@db/", "postgresql://u:hunter2@db:x/syncd", "db/syncd"]
)
def test_what_is_no_address_is_refused_and_not_repeated(url: str) -> None:
    """It may hold a password."""
    with pytest.raises(ConfigError) as refused:
        address_of(url)

    assert "hunter2" not in str(refused.value)


@pytest.fixture
def connection() -> Iterator[Connection]:
    """To a database in memory."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as raw:
        yield Connection(raw, "sqlite")


def test_rows_come_one_by_one_and_the_cursor_ends_with_its_reader(connection: Connection) -> None:
    """Half-way, too."""
    connection.execute("CREATE TABLE t (a INTEGER, b TEXT)")
    connection.many("INSERT INTO t VALUES (?, ?)", [(number, "x") for number in range(5)])
    found = connection.stream("SELECT a FROM t WHERE b = ? ORDER BY a", ("x",))

    assert ((0,), (1,)) == (next(found), next(found))
    found.close()
    connection.execute("DROP TABLE t")  # refused while a statement is still being read
    assert (None, [], "(?, ?)") == (connection.value("SELECT 1 WHERE 0"), tables_in(connection), marks("ab"))


def test_a_new_database_has_the_structure_that_is_looked_for(connection: Connection) -> None:
    """And one without an index, with one of two columns, or with a view for a table has not."""
    assert 0 == version_of(connection) == bring_up_to_date(connection)
    assert (1, "") == (version_of(connection), structure_fault(connection))
    for instead in ("", "CREATE INDEX chain_by_term ON chain (term, kind)", "CREATE UNIQUE INDEX chain_by_term ON chain (term)"):
        connection.execute("DROP INDEX IF EXISTS chain_by_term")
        if instead:
            connection.execute(instead)
        assert "somebody changed or removed indexes of the ledger: chain_by_term" == structure_fault(connection)
    connection.execute("DROP TABLE state")
    connection.execute("CREATE VIEW state AS SELECT 1 AS key, 2 AS value")
    assert "somebody replaced or removed tables of the ledger: state" == structure_fault(connection)

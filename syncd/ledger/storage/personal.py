"""Names and addresses beside the chain, each row under a salted hash that entries refer to as ``who``.

A row can be blanked (value and salt gone, the row stays): the chain still verifies, and what it said of somebody can no
longer be tied to a name, nor guessed by hashing a list of names. The only randomness outside the clock is drawn here:
a salt need not be repeatable, it must be unguessable.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence

from syncd.ledger.chain import personal_ref, personal_text, well_formed
from syncd.ledger.storage.schema import PERSON, insert_rows
from syncd.ledger.storage.sql import Connection, marks
from syncd.model import Draft

#: 128 bits: nobody can try them all.
SALT_BYTES = 16

#: How many values one IN may hold; older SQLite versions take 999 parameters.
_AT_ONCE = 500


def refer(connection: Connection, drafts: Sequence[Draft], at: str) -> list[str]:
    """The reference for each draft's personal data (``""`` where it has none), with rows made for what is new.

    A row of the same subject with the same value is used again, unless it was blanked; so somebody who is mentioned in
    every cycle has one row, which is kept for as long as it is mentioned.
    """
    wanted = [(well_formed(draft.subject), personal_text(draft.personal)) if draft.personal else None for draft in drafts]
    known = _known(connection, sorted({pair[0] for pair in wanted if pair}))
    used = {known[pair] for pair in wanted if pair and pair in known}
    made = []
    for pair in wanted:
        if pair and pair not in known:
            subject, value = pair
            salt = os.urandom(SALT_BYTES)
            known[pair] = personal_ref(salt, value)
            made.append((known[pair], subject, salt, value, at, at, None))  # in the order of PERSON
    if made:
        insert_rows(connection, "personal", PERSON, made)
    if used:
        connection.many("UPDATE personal SET last_at = ? WHERE ref = ?", [(at, ref) for ref in sorted(used)])
    return [known[pair] if pair else "" for pair in wanted]


def resolve(connection: Connection, refs: Sequence[str]) -> dict[str, tuple[dict[str, str], str]]:
    """What lies behind references, with the salt in hexadecimal; blanked and unknown ones are left out."""
    found = {}
    for some in _some(sorted(set(refs))):
        rows = connection.execute(
            f"SELECT ref, salt, value FROM personal WHERE ref IN {marks(some)} AND value IS NOT NULL AND salt IS NOT NULL",  # noqa: S608
            some,
        )
        for ref, salt, value in rows:
            found[ref] = (_people_words(value), bytes(salt).hex())
    return found


def unused(connection: Connection, since: str) -> list[str]:
    """References of what no entry has referred to since then, and is not blank yet."""
    return connection.column("SELECT ref FROM personal WHERE last_at < ? AND blanked_at IS NULL ORDER BY ref", (since,))


def blank(connection: Connection, refs: Sequence[str], at: str) -> None:
    """Blanks these rows."""
    for some in _some(refs):
        connection.execute(
            f"UPDATE personal SET salt = NULL, value = NULL, blanked_at = ? WHERE ref IN {marks(some)}",  # noqa: S608 (marks)
            (at, *some),
        )


def blanked(connection: Connection) -> set[str]:
    """References of the rows that hold nothing any more, whoever did that."""
    return set(connection.column("SELECT ref FROM personal WHERE value IS NULL OR blanked_at IS NOT NULL"))


def last_mentions(connection: Connection) -> dict[str, str]:
    """Reference -> when an entry last referred to it, as its row says."""
    return dict(connection.stream("SELECT ref, last_at FROM personal"))


def faults(connection: Connection) -> dict[str, str]:
    """Every reference there is, with what is wrong with its row (``""``: nothing)."""
    rows = connection.stream("SELECT ref, salt, value, blanked_at FROM personal")
    return {ref: _fault(ref, salt, value, blanked_at) for ref, salt, value, blanked_at in rows}


def _fault(ref: str, salt: object, value: object, blanked_at: object) -> str:
    if value is None and salt is None and blanked_at is not None:
        return ""
    if not isinstance(salt, bytes) or not isinstance(value, str) or personal_ref(salt, value) != ref:
        return "the name or address beside it is not the one that was recorded"
    return ""


def _known(connection: Connection, subjects: Sequence[str]) -> dict[tuple[str, str], str]:
    known = {}
    for some in _some(subjects):
        rows = connection.execute(
            f"SELECT subject, value, ref, salt FROM personal WHERE subject IN {marks(some)} AND blanked_at IS NULL",  # noqa: S608
            some,
        )
        for subject, value, ref, salt in rows:
            if not _fault(ref, salt, value, None):  # an edited row must not be vouched for by a new entry
                known[subject, value] = ref
    return known


def _people_words(value: str) -> dict[str, str]:
    try:
        words = json.loads(value)
    except (ValueError, TypeError):
        return {}
    return words if isinstance(words, dict) else {}


def _some(values: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]

"""What the ledger said at one entry, kept beside the chain, so that a person's verb need not follow a year of it first.

A checkpoint lies in the side table, and its hash in the chain: the entry of the kind ``checkpoint`` right after the one it was
made at. So it cannot be changed without changing the chain from there on, which every later verb follows. What came before it is
not looked at again by those verbs: the daemon (at its start and once a day), ``apply`` and ``syncd ledger verify`` follow the
whole chain, and the first two compare the checkpoint with what the chain gives.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, fields
from hashlib import sha256

import msgspec

from syncd import __version__
from syncd.ledger import chain
from syncd.ledger.chain import Tip
from syncd.ledger.history import History
from syncd.ledger.storage import rows
from syncd.ledger.storage.sql import Connection
from syncd.model import Head

#: Where it lies in the side table.
KEY = "checkpoint"

#: The kind of entry that holds its hash.
KIND = "checkpoint"

#: Entries after which another one is worth making: so many are followed within a fraction of a second.
EVERY = 2000

#: A history as bytes. Another version may fold the same entries differently, or keep other fields.
_MADE_BY = f"{__version__}/{sha256(repr([(one.name, one.type) for one in fields(History)]).encode()).hexdigest()[:16]}"


class _Kept(msgspec.Struct):
    """The row of the side table. *content* is Base64."""

    seq: int
    hash: str
    made_by: str
    content: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A history that the chain vouches for, and where in the chain it stood."""

    tip: Tip
    history: History


def packed(history: History) -> bytes:
    """A history as bytes, for ``unpacked``."""
    return msgspec.msgpack.encode(history)


def unpacked(content: bytes) -> History:
    """Raises msgspec.MsgspecError (a ValueError) for what ``packed`` did not make."""
    return msgspec.msgpack.decode(content, type=History)


def same(one: History, other: History) -> bool:
    """Whether two histories say the same, a list and a tuple being the same."""
    return unpacked(packed(one)) == unpacked(packed(other))


def digest_of(content: bytes) -> str:
    """What the chain says of a checkpoint."""
    return sha256(content).hexdigest()


def row_of(head: Head, content: bytes) -> str:
    """What is put into the side table."""
    return msgspec.json.encode(_Kept(head.seq, head.hash, _MADE_BY, base64.b64encode(content).decode())).decode()


def due(connection: Connection, head: Head) -> bool:
    """Whether so many entries came since the last one that another is worth making."""
    last = connection.value("SELECT seq FROM chain WHERE kind = ? ORDER BY seq DESC LIMIT 1", (KIND,))
    return head.seq - int(last or 0) >= EVERY


def load(connection: Connection) -> Checkpoint | None:
    """The checkpoint, if there is one of this version that the chain vouches for."""
    text = connection.value("SELECT value FROM state WHERE key = ?", (KEY,))
    if not text:
        return None
    try:
        kept = msgspec.json.decode(text, type=_Kept)
        content = base64.b64decode(kept.content, validate=True)
        if kept.made_by != _MADE_BY or not _vouched_for(connection, kept, digest_of(content)):
            return None
        history = unpacked(content)
    except ValueError:
        return None
    entry = rows.entry_at(connection, kept.seq)
    if entry is None or history.head != Head(kept.seq, kept.hash):
        return None
    return Checkpoint(Tip(entry.seq, entry.hash, entry.at, history.term), history)


def _vouched_for(connection: Connection, kept: _Kept, digest: str) -> bool:
    """Whether the entry after it holds its hash, and both are sound."""
    at, after = rows.entry_at(connection, kept.seq), rows.entry_at(connection, kept.seq + 1)
    if at is None or after is None or at.hash != kept.hash or after.kind != KIND:
        return False
    before = Tip(at.seq - 1, at.previous_hash)
    return chain.verify((at, after), before) is None and json.loads(after.body).get("digest") == digest

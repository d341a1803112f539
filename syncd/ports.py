"""What the cycle needs from outside, as Protocols. Adapters implement them; the lab and the tests have their own.

Every async method may be cancelled. What each raises is part of the promise; anything else is a bug.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol

from syncd.events import Event
from syncd.ledger.history import History
from syncd.model import (
    ClockStanding,
    DirectorySnapshot,
    Draft,
    Head,
    Hint,
    LedgerEntry,
    Person,
    Reread,
    ZoomAccount,
    ZoomSnapshot,
)

#: Tells observers what happened. Never raises, never blocks.
Tell = Callable[[Event], None]

#: Reads a secret anew each time it is called. Raises ConfigError when the file or variable is gone or empty.
ReadSecret = Callable[[], str]


class Clock(Protocol):
    """The only source of time, sleep and randomness."""

    def now(self) -> datetime:
        """Wall clock, aware UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean anything."""

    async def sleep(self, seconds: float) -> None:
        """Sleeps that long (not at all when it is zero or less)."""

    def random(self) -> float:
        """Uniform in [0, 1), for jitter."""

    def unique(self) -> str:
        """A fresh identifier: 12 or more characters of a-z, 0-9."""


class Directory(Protocol):
    """The company directory."""

    async def read(self) -> DirectorySnapshot:
        """Everybody, whole. Raises SourceError (CredentialsRefused, ScopeMissing) on any doubt: never returns a part."""

    async def recheck_person(self, directory_id: str | None, addresses: Sequence[str]) -> tuple[Person, ...]:
        """A second, independent read right before a change: whoever has this id, and whoever claims one of these address
        keys, with memberships read afresh. Empty: nobody is there. Raises SourceError."""

    async def deleted(self, addresses: Sequence[str]) -> Sequence[tuple[str, datetime]]:
        """Who of these address keys was deleted lately, as (id, when), where the directory keeps such people with their
        addresses; empty elsewhere. Raises SourceError."""

    async def check(self) -> Sequence[tuple[str, bool, str]]:
        """Lines for ``syncd check``: (what was looked at, whether it is in order, the finding or the fix)."""

    async def close(self) -> None:
        """Gives connections back."""


class Watcher(Protocol):
    """Notices changes at one place of a directory: a server, a tenant, a file."""

    source: str  # active_directory | entra | file
    name: str  # the place, in words

    @property
    def directory(self) -> Directory:
        """The directory as seen from there, for second looks."""

    async def changes(self) -> Hint:
        """What changed since it was asked last; false when nothing did, and the first time. Raises SourceError when it cannot
        tell; it may be asked again."""

    async def read_again(self, hint: Hint, base: DirectorySnapshot) -> Reread:
        """Those concerned, and whoever *base* shows as concerned, as this place shows them now. Raises SourceError."""

    async def close(self) -> None:
        """Gives connections back."""


class Zoom(Protocol):
    """The Zoom account."""

    async def read(self) -> ZoomSnapshot:
        """All users of the three statuses, whole, with roles (and groups when protect.groups names any). Raises SourceError,
        also when a configured role or group does not exist."""

    async def list_roles_and_groups(self) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """The account's roles and (when protect.groups names any) groups, each id -> name, without reading the users.
        Raises SourceError as ``read``."""

    async def get_account(self, user: str) -> ZoomAccount | None:
        """One user by id or e-mail address, or None when Zoom knows none. Raises AccountUnreadable for what Zoom answers about
        this one (others may be well), another SourceError for what concerns everybody."""

    async def set_status(self, zoom_id: str, *, active: bool) -> None:
        """Activates or deactivates. Returns when Zoom answered any 2xx. Raises Refused (this account), ScopeMissing
        (stop), AnswerLost (look), SourceError (nothing was sent, or it was surely not carried out)."""

    async def restore_licence(self, zoom_id: str, *, type_: int, plan: str | None) -> None:
        """Gives a recorded licence type back. Raises as ``set_status``; Refused kind ``no_licence`` when none is free."""

    async def revoke_sessions(self, zoom_id: str) -> None:
        """Ends the user's SSO session. Raises as ``set_status``."""

    async def ask_clock(self) -> float | None:
        """Asks Zoom its time now: its clock minus ours in seconds, None when it does not answer or tell. Never raises."""

    async def check(self) -> Sequence[tuple[str, bool, str]]:
        """Lines for ``syncd check``, as ``Directory.check``."""

    async def close(self) -> None:
        """Gives connections back."""


class Ledger(Protocol):
    """The append-only record. No ledger, no effect."""

    async def history(self) -> History:
        """Replays what was appended since the last call and verifies that it continues the chain. A chain that does not
        verify gives the history up to its last good entry with ``broken`` set. Raises LedgerError when it cannot be read."""

    async def append(self, drafts: Sequence[Draft], *, term: int = 0) -> tuple[LedgerEntry, ...]:
        """Appends all or nothing, durably, in order. *term* 0: a person's entry, never refused for its term. Raises
        LedgerError (not writable, broken), NotLeader (a newer term has written)."""

    def clock_is(self, standing: ClockStanding) -> None:
        """What is known of this machine's clock from here on: entries are marked, or refused (``ClockOff``), accordingly."""

    async def head(self) -> Head:
        """The end of the chain; (0, "") for an empty one."""

    def writer(self, wait_seconds: float | None, lease: int = 0) -> AbstractAsyncContextManager[int]:
        """Holds the writer lock of this ledger over processes and gives a new term. *lease*: the number of a leader by lease
        (0: none), who may end the hold of a former leader. Waits that long (None: for ever), then
        raises NotLeader."""

    async def personal(self, refs: Sequence[str]) -> dict[str, dict[str, str]]:
        """The personal data behind ``who`` references; those blanked are left out."""

    async def get_state(self, key: str) -> Any:
        """A value of the side table (cursors, budgets), or None. Never part of the chain or an export."""

    async def set_state(self, key: str, value: Any) -> None:
        """Writes a JSON value to the side table. Raises LedgerError."""

    async def close(self) -> None:
        """Gives the database back."""


class Leadership(Protocol):
    """Whether this process may change things."""

    def leads(self) -> bool:
        """True while nobody else may be leading. Looked at right before every write."""

    async def lead(self) -> int:
        """Waits until this process leads. A later leader's number is higher (0: leading alone)."""

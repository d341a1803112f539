"""What a kind of directory is to the rest of syncd: its words, and how one is made. The words of the configuration, the
metrics, the cycle, the checks and the docs come from here; the three kinds stand in ``kinds``.

A fourth kind is one folder beside the three, with its ``KIND`` in ``kind.py``, a section of the same name in the configuration's
``Directory``, and a line in ``kinds``. ``tests/contract`` then runs its suite against the company it must bring.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from syncd.http.pacer import BudgetStore
from syncd.ports import Clock, Directory, ReadSecret, Tell, Watcher


@dataclass(frozen=True, slots=True)
class Around:
    """What an adapter is given besides its section. *secret* makes a reader of a configured secret, given its key for messages;
    *store* keeps cursors (None: nothing may be written); *kept* reads the value of a key in it even then (raises
    LedgerError)."""

    clock: Clock
    tell: Tell
    secret: Callable[[Any, str], ReadSecret]
    store: BudgetStore | None = None
    kept: Callable[[str], Awaitable[Any]] | None = None
    protecting_groups: tuple[str, ...] = ()
    holding_groups: tuple[str, ...] = ()  # handover.legal_hold.directory_groups
    person_number: str = ""
    ignored: tuple[str, ...] = ()  # match.ignore_people
    with_managers: bool = False
    proxy: str | None = None
    max_clock_skew_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class DirectoryKind:
    """One kind of directory.

    *name* is its key under ``directory`` and the ``source`` of its reads; *title* what people call it. *service* and
    *operations* are the closed lists of its requests' metric labels ("" and none: it makes no requests). *credential* is the
    label under which it tells when its credential ends, "" when it has none. *not_policy* names the keys whose change needs
    no new review: credentials, CA, timeouts. *identity* says of a section what a ledger is bound to, the domain or the tenant
    and not the server that happens to answer; *same* compares what a ledger was bound to with it. *make* builds the adapter
    (raises ConfigError); it alone loads the kind's libraries. *watchers* gives what notices changes of a directory that was made
    so, one for each place where they show; *poll_seconds* is how often those are asked unless the configuration says.
    """

    name: str
    title: str
    identity: Callable[[Any], str]
    make: Callable[[Any, Around], Directory]
    service: str = ""
    operations: tuple[str, ...] = ()
    credential: str = ""
    not_policy: frozenset[str] = frozenset()
    same: Callable[[str, str], bool] = str.__eq__
    watchers: Callable[[Any, Any], Sequence[Watcher]] = lambda _section, _directory: ()
    poll_seconds: float = 1.0

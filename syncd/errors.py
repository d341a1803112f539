"""What can go wrong, split by whose fault it is. Each error says what happened, and what to do.

``str(error)`` is one operator-readable paragraph; nothing here ever holds a secret or a token.
The exit codes are the command line's (section 5 of the interface): the class decides, no caller guesses.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What a verb ends with (section 5 of the interface). No number of these stands anywhere else: a test looks."""

    DONE = 0  # or in step
    FAULT = 1  # of ours: a bug
    USAGE = 2  # or configuration
    HELD = 3  # by a guard, or by the operator's own no
    UNREADABLE = 4  # a source was not read whole, or all ended before anything was done
    IN_PART = 5
    LEDGER = 6  # not intact, or not writable
    NOT_LEADER = 7
    CHANGES_DUE = 10  # for whoever asked to be told so
    INTERRUPTED = 130  # from the keyboard, as shells have it


class SyncdError(Exception):
    """Anything foreseeable. *what* happened (with numbers), and what to *do* about it (may be empty)."""

    exit_code: ClassVar[ExitCode] = ExitCode.FAULT

    def __init__(self, what: str, do: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.do = do

    def __str__(self) -> str:
        return f"{self.what}\n  {self.do}" if self.do else self.what


class UsageError(SyncdError):
    """The command line asks for something that cannot be."""

    exit_code = ExitCode.USAGE


class ConfigError(SyncdError):
    """The operator's file is wrong. *problems* holds every problem found, one line each, not just the first."""

    exit_code = ExitCode.USAGE

    def __init__(self, what: str, problems: tuple[str, ...] = (), do: str = "") -> None:
        super().__init__(what, do)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join([self.what, *(f"  {problem}" for problem in self.problems), *([f"  {self.do}"] if self.do else [])])


class Held(SyncdError):
    """A plan is not the one that was reviewed, so nothing was done."""

    exit_code = ExitCode.HELD


class SourceError(SyncdError):
    """The directory or Zoom could not be read whole. Nothing may be concluded from what was read. *source* is
    ``directory`` or ``zoom``."""

    exit_code = ExitCode.UNREADABLE

    def __init__(self, source: str, what: str, do: str = "") -> None:
        super().__init__(what, do)
        self.source = source


class AccountUnreadable(SourceError):
    """One account could not be read, or what Zoom shows of it cannot be understood; others may well be. *zoom_id* is the id
    asked about (an address where no id was known: never printed). *answer* is the same text for the same answer (``400/1010``,
    ``HTTP 500``, ``other id``): several accounts running with one answer are a fault of the set-up after all."""

    def __init__(self, what: str, do: str = "", *, zoom_id: str, answer: str) -> None:
        super().__init__("zoom", what, do)
        self.zoom_id = zoom_id
        self.answer = answer


class NoUsableAnswer(SourceError):
    """A service was asked until the tries were used up. *answer* says what came the last time (``HTTP 500``, ``cut``,
    ``not JSON``), *connected* whether anybody was there to answer at all."""

    def __init__(self, source: str, what: str, do: str = "", *, answer: str, connected: bool) -> None:
        super().__init__(source, what, do)
        self.answer = answer
        self.connected = connected


class CredentialsRefused(SourceError):
    """The service refused our name, password, secret or token. Trying again soon may lock the account."""


class ScopeMissing(SourceError):
    """A scope, a role right or a permission is missing: a fault of the set-up that concerns every account, so the
    run stops. *scope* names what to grant."""

    def __init__(self, source: str, what: str, do: str = "", *, scope: str = "") -> None:
        super().__init__(source, what, do)
        self.scope = scope


class LimitReached(SourceError):
    """A service asks for a longer wait than the operator allows (``zoom.max_wait``), or a daily budget is used up.
    *resume_at* is an RFC 3339 time where known."""

    def __init__(self, source: str, what: str, do: str = "", *, resume_at: str | None = None) -> None:
        super().__init__(source, what, do)
        self.resume_at = resume_at


class AskedTooFast(LimitReached):
    """Refused for its rate as often as it was asked, without being told to wait for long."""


class Withheld(SourceError):
    """A write that waited for its turn was not sent: meanwhile nothing may be sent any more (stopping, no longer leading), or
    the look before it is too old. Surely not carried out."""


class AnswerLost(SyncdError):
    """A write was sent and no usable answer came back: it may or may not have happened. Look, never repeat blindly."""

    exit_code = ExitCode.IN_PART


class Refused(SyncdError):
    """Zoom refused a write on one account. *code* is Zoom's number, *kind* what it means for this account.

    ``account`` (for good: an admin, a Zoom Room), ``events``, ``no_licence``, ``gone``, ``throttled`` (look, then again;
    *alone*: another change of this one account goes on, nobody else has to wait), ``rights`` (a role right, says Zoom; of
    this account unless others meet the same), ``other``.
    """

    exit_code = ExitCode.IN_PART

    def __init__(
        self, what: str, *, kind: str, code: int | None = None, status: int | None = None, do: str = "", alone: bool = False
    ) -> None:
        super().__init__(what, do)
        self.kind = kind
        self.code = code
        self.status = status
        self.alone = alone

    @property
    def answer(self) -> str:
        """The same text for the same answer, as ``AccountUnreadable.answer``."""
        return f"{self.status}/{self.code}" if self.code is not None else f"HTTP {self.status}"


class LedgerError(SyncdError):
    """The ledger cannot be written or does not verify. Nothing may be applied."""

    exit_code = ExitCode.LEDGER


class ClockOff(LedgerError):
    """The clock of this machine is wrong, so that the ledger takes nothing from it but what stops changes."""

    exit_code = ExitCode.HELD


class NotLeader(SyncdError):
    """Somebody else holds the writer lock or the lease."""

    exit_code = ExitCode.NOT_LEADER

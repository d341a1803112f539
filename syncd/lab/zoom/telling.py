"""What the simulated Zoom tells others of changes: lines of its operation log, and events as its webhooks carry them.

Shapes and wordings are those of Zoom's published samples. Whose name an app's own changes carry is not documented: here it is
the owner's, as the app acts for them. No HTTP, no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from syncd.lab.zoom.limits import iso
from syncd.lab.zoom.tenant import ACTIVE, INACTIVE, OWNER_ROLE, Tenant, ZoomUser

#: What of a user an update event names, as Zoom calls it.
_TOLD_FIELDS = {
    "email": "email",
    "type": "type",
    "role_id": "role_id",
    "first_name": "first_name",
    "last_name": "last_name",
    "dept": "dept",
}


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the operation log."""

    at: datetime
    operator: str
    action: str
    detail: str
    category: str = "User"

    @property
    def shown(self) -> dict[str, str]:
        """As the API shows it."""
        return {
            "time": iso(self.at),
            "operator": self.operator,
            "category_type": self.category,
            "action": self.action,
            "operation_detail": self.detail,
        }


@dataclass
class Telling:
    """Keeps the log and hands events to whoever listens. *lag*: how late a line shows in the log; *silent*: nothing is told."""

    tenant: Tenant
    now: Callable[[], datetime]
    account_id: str
    lag: timedelta = timedelta(0)
    silent: bool = False
    lines: list[LogLine] = field(default_factory=list)
    listeners: list[Callable[[dict[str, Any]], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tenant.told = self.changed

    @property
    def owner(self) -> str:
        """The address of whoever owns the account."""
        return next((user.email for user in self.tenant.users if user.role_id == OWNER_ROLE), "owner@corp.example")

    def visible(self, first: datetime, end: datetime, category: str) -> Sequence[dict[str, str]]:
        """The lines from *first* on and before *end* that show by now, the newest first."""
        shown = [
            line
            for line in self.lines
            if first <= line.at < end and line.at + self.lag <= self.now() and category in ("all", line.category.lower())
        ]
        return [line.shown for line in sorted(shown, key=lambda line: line.at, reverse=True)]

    def changed(self, before: ZoomUser, after: ZoomUser | None, operator: str | None) -> None:
        """A user changed, or (*after* None) is no more. *operator* None: through the API."""
        if self.silent:
            return
        by, at = operator or self.owner, self.now()
        if after is None:
            self._line(at, by, "delete", f"delete user - {before.email}")
            self._event(at, by, "user.deleted", before)
        elif {before.status, after.status} == {ACTIVE, INACTIVE}:
            word = "activate" if after.status == ACTIVE else "deactivate"
            self._line(at, by, "Update", f"{word.capitalize()} User {after.email} ")
            self._event(at, by, f"user.{word}d", after)
        old = (
            {}
            if after is None
            else {
                told: getattr(before, name)
                for name, told in _TOLD_FIELDS.items()
                if getattr(before, name) != getattr(after, name)
            }
        )
        if after is not None and old:
            new = {told: getattr(after, name) for name, told in _TOLD_FIELDS.items() if told in old}
            self._line(at, by, "Update", f"Update User {after.email} : {', '.join(sorted(old))}")
            self._send(at, by, "user.updated", {"id": after.id, **new}, old_object={"id": after.id, **old})

    def _line(self, at: datetime, by: str, action: str, detail: str) -> None:
        self.lines.append(LogLine(at, by, action, detail))

    def _event(self, at: datetime, by: str, event: str, user: ZoomUser) -> None:
        self._send(
            at,
            by,
            event,
            {"id": user.id, "first_name": user.first_name, "last_name": user.last_name, "email": user.email, "type": user.type},
        )

    def _send(self, at: datetime, by: str, event: str, shown: dict[str, Any], **more: Any) -> None:
        milliseconds = int(at.timestamp() * 1000)
        operator = self.tenant.find(by)
        if more:
            more["time_stamp"] = milliseconds
        message = {
            "event": event,
            "event_ts": milliseconds,
            "payload": {
                "account_id": self.account_id,
                "operator": by,
                "operator_id": operator.id if operator else "",
                **more,
                "object": shown,
            },
        }
        for listener in list(self.listeners):
            listener(message)

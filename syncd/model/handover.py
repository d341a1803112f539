"""What becomes of a leaver's content: the operator's rules, what is remembered, and a plan of handovers. Times are aware UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from syncd.model.canonical import sha256_of

#: The kinds of content Zoom can hand over, in the words of the configuration.
CONTENT = ("meetings", "webinars", "recordings", "whiteboards")

#: The action under which approvals know a handover.
HANDOVER = "handover"

HANDOVER_FORMAT = "syncd.handover/1"


class Stage(StrEnum):
    """How far the handover of one account is."""

    WAITING = "waiting"  # the retention runs
    DUE = "due"  # somebody may plan it
    APPROVED = "approved"  # exactly this was approved, by enough people, and is not used up
    HANDING_OVER = "handing_over"  # announced in the ledger, with no outcome yet
    HANDED_OVER = "handed_over"
    UNCONFIRMED = "unconfirmed"  # the answer was lost or doubtful
    KEPT = "kept"  # it stays as it is, for the reason given


class Kept(StrEnum):
    """Why an account stays as it is."""

    NOT_OURS = "not_ours"  # not switched off by syncd
    LEGAL_HOLD = "legal_hold"
    ENTITLED_AGAIN = "entitled_again"
    ON_HOLD = "on_hold"  # syncd account hold
    EXEMPT = "exempt"  # protect
    DIRECTORY_UNCLEAR = "directory_unclear"
    MAY_RETURN = "may_return"  # disabled, expired or out of the groups alone
    NO_RECEIVER = "no_receiver"


class Standing(StrEnum):
    """What the directory says of somebody, as far as a handover asks."""

    ENTITLED = "entitled"
    LEAVER = "leaver"  # in a leaver group or in the leavers file
    MAY_RETURN = "may_return"  # still there
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class HandoverRules:
    """The section ``handover``, as far as it decides. *leavers*: address keys of ``leavers_file``; *holds_by_group*: whether a
    legal hold may stand in the directory."""

    after: timedelta
    end: str  # delete | unlink
    to_manager: bool = True
    otherwise: str = ""  # receiver.else
    content: tuple[str, ...] = CONTENT
    leavers: frozenset[str] = frozenset()
    hold_accounts: tuple[str, ...] = ()
    holds_by_group: bool = False
    never_to_manager: tuple[str, ...] = ()
    max_per_day: int = 20
    zoom_deletes_after: timedelta | None = None  # Zoom's own setting, as far as somebody told it

    @property
    def left_behind(self) -> tuple[str, ...]:
        """Kinds of content that are lost with the account."""
        return tuple(kind for kind in CONTENT if kind not in self.content)


@dataclass(frozen=True, slots=True)
class LeaverMemory:
    """What good reads showed of the person behind an account. *who*: where their managers lie beside the chain, as of the last
    read in which they were entitled; *print*: of those managers; *held*: a legal hold that stands until it is released."""

    standing: str
    since: datetime
    who: str = ""
    print: str = ""
    held: bool = False
    noted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Inventory:
    """What an account holds or held. None: it could not be read, which is never 0. *recording_bytes* in bytes."""

    licence: str | None = None
    add_ons: str | None = None
    meetings: int | None = None
    webinars: int | None = None
    recordings: int | None = None
    recording_bytes: int | None = None

    def as_json(self) -> dict[str, object]:
        """Plain values; what is not known is the word ``unknown``."""
        return {name: "unknown" if (value := getattr(self, name)) is None else value for name in self.__dataclass_fields__}

    def as_personal(self) -> dict[str, str]:
        """What is known, as text to lie beside the chain."""
        return {name: str(value) for name in self.__dataclass_fields__ if (value := getattr(self, name)) is not None}

    @classmethod
    def of_personal(cls, text: Mapping[str, str]) -> Inventory:
        """The other way round; what is not there, or no number where one should be, is not known."""
        numbers = ("meetings", "webinars", "recordings", "recording_bytes")
        counted = {name: int(text[name]) if text.get(name, "").isdecimal() else None for name in numbers}
        return cls(text.get("licence"), text.get("add_ons"), **counted)

    def counts(self) -> dict[str, int]:
        """Content that was counted."""
        found = {"meetings": self.meetings, "webinars": self.webinars, "recordings": self.recordings}
        return {kind: count for kind, count in found.items() if count is not None}


@dataclass(frozen=True, slots=True)
class Contents:
    """One deactivated account for a report or a story: how far its handover is, to whom its content would go and by which rule
    (None: nobody, *why_none*), and what it held when it was counted. *reason*: of ``kept``."""

    zoom_id: str
    email: str
    stage: str
    reason: str | None = None
    due_at: datetime | None = None
    receiver: str | None = None
    rule: str | None = None
    why_none: str = ""
    notes: tuple[str, ...] = ()
    inventory: Inventory | None = None
    counted_at: datetime | None = None

    @property
    def waits_for_a_receiver(self) -> bool:
        """Whether nobody would receive it, though it is still to be handed over."""
        return self.receiver is None and self.stage not in (Stage.HANDED_OVER, Stage.HANDING_OVER)

    def as_json(self) -> dict[str, object]:
        """Plain values; times RFC 3339 in UTC."""
        return {
            "zoom_id": self.zoom_id,
            "email": self.email,
            "stage": self.stage,
            "reason": self.reason,
            "due_at": _moment(self.due_at),
            "receiver": self.receiver,
            "rule": self.rule,
            "no_receiver": self.why_none or None,
            "notes": list(self.notes),
            "inventory": self.inventory.as_json() if self.inventory is not None else None,
            "counted_at": _moment(self.counted_at),
        }


def _moment(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class HandoverItem:
    """One handover of a plan: everything its digest binds. *hold_unchecked*: the person is no longer in the directory, so a
    legal hold there cannot be seen. *reopen*: the account is made active and licensed for it, and closed again."""

    zoom_id: str
    receiver_id: str
    end: str
    content: tuple[str, ...]
    hold_unchecked: bool = False
    reopen: bool = False

    def as_json(self) -> dict[str, object]:
        """Plain values, as the digest binds them."""
        return {
            "zoom_id": self.zoom_id,
            "receiver_id": self.receiver_id,
            "end": self.end,
            "content": list(self.content),
            "hold_unchecked": self.hold_unchecked,
            **({"reopen": True} if self.reopen else {}),  # plans made before there was this way keep their digests
        }


@dataclass(frozen=True, slots=True)
class HandoverPlan:
    """Handovers to be approved together."""

    items: tuple[HandoverItem, ...]
    policy_digest: str
    at: datetime

    @property
    def digest(self) -> str:
        """Identifies exactly these handovers: account, receiver, content and end of each."""
        return digest_of_items(self.items)


def digest_of_items(items: tuple[HandoverItem, ...]) -> str:
    """Equal for equal handovers, whatever their order."""
    ordered = sorted(items, key=lambda item: item.zoom_id)
    return sha256_of({"format": HANDOVER_FORMAT, "items": [item.as_json() for item in ordered]})


@dataclass(frozen=True, slots=True)
class HandoverDone:
    """The latest handover of an account, announced or ended. *state*: ``handing_over``, ``handed_over``, ``unconfirmed``, or
    ``refused`` (surely not carried out)."""

    intent: str
    at: datetime
    state: str
    item: HandoverItem
    plan: str
    by: str
    who: str = ""
    receiver_before: Mapping[str, int] | None = None
    settled_at: datetime | None = None

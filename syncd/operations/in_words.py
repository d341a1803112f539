"""In words: how somebody of the directory stands, and what to do about an account that syncd leaves to a person. Pure."""

from __future__ import annotations

from datetime import datetime

from syncd.model import Action, Decision, Person, Policy, Reason, Status
from syncd.planning.entitlement import standing

_WORDS = {
    Reason.IN_STEP: "entitled",
    Reason.DIRECTORY_UNCLEAR: "could not be read",
    Reason.IN_LEAVERS_GROUP: "in a leaver group",
    Reason.DISABLED_IN_DIRECTORY: "disabled",
    Reason.EXPIRED_IN_DIRECTORY: "expired",
    Reason.LEFT_GROUPS: "in none of the entitling groups",
}

_WHO = "--by NAME --because TEXT"


def standing_in_words(person: Person, policy: Policy, now: datetime) -> str:
    """``standing``, for people."""
    reason = standing(person, policy, now)
    if reason is Reason.LEFT_GROUPS and person.entitled_by and person.guest:
        return "a guest, and guests are not entitled (directory.entra.guests)"
    return _WORDS[reason]


def advice(decision: Decision) -> str:
    """One sentence with the commands to copy; nothing for an account that needs nobody."""
    if decision.action is not Action.MANUAL:
        return ""
    address = decision.account.email
    off, keep = f"syncd account deactivate {address} {_WHO}", f"syncd account hold {address} {_WHO}"
    match decision.reason:
        case Reason.AMBIGUOUS_MATCH if decision.account.status is Status.ACTIVE:
            return (
                "its owner has left, and somebody who has the address as an alias has no other active account: give them one of "
                f"their own or take the alias away; or switch it off now ({off}), or keep it ({keep})"
            )
        case Reason.AMBIGUOUS_MATCH:
            return (
                "whoever has the address now may be another person than before, or has another active account: if it is theirs, "
                f"syncd account reactivate {address} {_WHO}; if not, leave it off and tell that you know: "
                f"syncd account acknowledge {address} --until DATE {_WHO}"
            )
        case Reason.REACTIVATED_BY_OTHERS:
            return (
                "syncd switched it off within 24 h and somebody brought it back: ask who, then switch it off again "
                f"({off}) or keep it ({keep})"
            )
        case Reason.PROTECTED:
            return (
                "Zoom lets no app change a room or this role: change the role or the account in Zoom's administration; if it is "
                "to stay, write it into protect.accounts"
            )
        case _:
            return (
                "Zoom refused this change: change the account in Zoom's administration; syncd tries again after 7 days, or once "
                "its role, type or status is another"
            )

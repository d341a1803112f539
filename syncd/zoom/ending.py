"""Ending one account at Zoom, with its content handed over: ``DELETE /users/{id}``. It cannot be undone.

Used by ``syncd handover run`` alone, under an app of its own. What Zoom's refusals mean (its OpenAPI file of 2026-02, KB0067925):

    code   message about                kind             what to do
    300    the same user                same             choose another receiver
    300    Zoom Events                  events           hand the events over first
    300    a licence                    licence          license the receiver (or hand less over)
    300    the API's own user           own_user         it is the account that made the app
    200    a deactivated user           inactive         Zoom's support, or the way over an active account
    200    an active user, a licence    must_be_active   the way over an active, licensed account
    200    Rooms                        room             portal
    200    not able to delete           not_deletable    portal (an administrator, say)
    1000   call queue, receptionist     call_queue       take them out of Zoom Phone's queues first
    1107   a managed domain             managed_domain   it can only be deleted: end: delete
    1117   an admin                     admin            portal
    1120   an invitation                invitation       portal
    1001   no such user                 gone             Zoom does not say which of the two is missing
"""

from __future__ import annotations

import re
from collections.abc import Collection

from syncd.errors import CredentialsRefused, Refused, ScopeMissing
from syncd.http.answers import Reply
from syncd.zoom import scopes
from syncd.zoom.api import ZoomApi, segment
from syncd.zoom.refusals import is_missing, refusal

#: Zoom's word for each end.
ACTIONS = {"delete": "delete", "unlink": "disassociate"}

#: The parameter that hands each kind of content over.
TRANSFERS = {
    "meetings": "transfer_meeting",
    "webinars": "transfer_webinar",
    "recordings": "transfer_recording",
    "whiteboards": "transfer_whiteboard",
}

#: Nothing here goes on by itself, and the approval is used up.
_ANEW = "Nothing was done, and it is not tried again by itself: then approve the plan anew and run it."

_PORTAL = "End this account in the Zoom portal; its content can be handed over there."
_ACTIVE = (
    "Zoom hands over content of active accounts only, it seems: that needs a seat and minutes of open access, so syncd "
    "does it only by a plan that says so (syncd handover plan --reopen), approved as such. Else "
    "hand it over in the Zoom portal, or ask Zoom's support."
)

#: (code, what its message is about, kind, what to do); the first that fits.
_MEANINGS: tuple[tuple[int, str, str, str], ...] = (
    (300, r"same|itself|source", "same", "The receiver is the leaver: name another receiver."),
    (300, r"zoom events?|hub", "events", "The user has published Zoom Events: hand these over in Zoom Events first."),
    (
        300,
        r"licen[sc]e|plan|webinar add",
        "licence",
        (
            "The receiver lacks the licence for this content: give them one, or take "
            "the kind out of handover.content (then it is lost)."
        ),
    ),
    (
        300,
        r"unlink|disassociat|api|token|yourself",
        "own_user",
        "This is the user the Zoom app acts for: make the app under another account first.",
    ),
    (300, r"", "other", "See what the message says; nothing was handed over."),
    (200, r"room", "room", "Zoom Rooms are ended in the Zoom portal."),
    (200, r"must be active|requires? (?:an )?active|requires? a licen|needs? a licen", "must_be_active", _ACTIVE),
    (
        200,
        r"not able to delete|cannot be deleted",
        "not_deletable",
        "Zoom lets no app delete this user, an administrator most likely: give them an ordinary role first. " + _PORTAL,
    ),
    (
        200,
        r"deactivated|inactive|support",
        "inactive",
        "Zoom will not end this deactivated user by its API: ask Zoom's support. " + _ACTIVE,
    ),
    (1000, r"", "call_queue", "The user manages a call queue or an auto receptionist of Zoom Phone: name another manager there."),
    (
        1107,
        r"",
        "managed_domain",
        "Users of a managed domain cannot be unlinked: write handover.end: delete, plan and approve anew.",
    ),
    (1117, r"", "admin", "Administrators cannot be unlinked: give them an ordinary role first, if they have left. " + _PORTAL),
    (1120, r"", "invitation", "It is an invitation and no account. " + _PORTAL),
)


class EndingApi(ZoomApi):
    """A Zoom account, for an app that may end users."""

    async def get_token(self) -> None:
        """As for any app; what is wrong is wrong with this one. Raises SourceError, CredentialsRefused."""
        try:
            await super().get_token()
        except CredentialsRefused as error:
            do = error.do.replace("zoom.client_id", "handover.client_id")
            raise CredentialsRefused(error.source, error.what, do) from None

    async def end_account(self, zoom_id: str, *, end: str, receiver: str, content: Collection[str]) -> None:
        """Deletes or unlinks this user and hands *content* to *receiver* (an id or address). One request, never repeated.

        Raises Refused (surely not carried out), AnswerLost (it may have happened: look), ScopeMissing, SourceError (nothing
        was sent)."""
        params = {"action": ACTIONS[end], "transfer_email": receiver, **{TRANSFERS[kind]: "true" for kind in sorted(content)}}
        reply = await self._request(
            scopes.DELETE_USER, "DELETE", f"/users/{segment(zoom_id)}", params=params, write=True, repeat_throttled=False
        )
        if not reply.ok:
            raise end_refusal(reply)


def end_refusal(reply: Reply) -> Exception:
    """What to raise for an answer that is no success: see the table above."""
    error = refusal(scopes.DELETE_USER, reply)
    if isinstance(error, ScopeMissing):
        do = f"Add the scope {error.scope} to the app of handover.client_id, and to its role the right User: Edit. {_ANEW}"
        return ScopeMissing(error.source, error.what, do, scope=error.scope)
    if error.kind == "throttled":
        do = f"Another program uses the limits, or works on this account: wait until it is quiet. {_ANEW}"
        return Refused(error.what, kind=error.kind, code=error.code, status=error.status, do=do)
    if error.kind == "rights":
        return error
    if is_missing(reply):
        kind, do = (
            "gone",
            (
                "Zoom does not say which of the two is missing, the leaver or the receiver: look at both (syncd "
                "account show), then plan anew."
            ),
        )
    else:
        says = reply.error.message if reply.error is not None else ""
        kind, do = next(
            ((kind, do) for code, about, kind, do in _MEANINGS if code == error.code and re.search(about, says, re.IGNORECASE)),
            ("other", _PORTAL),
        )
    return Refused(error.what, kind=kind, code=error.code, status=error.status, do=do)

"""What comes over the socket, as sightings. Pure; refuses to guess.

An event comes bare (``{"event": …}``) or wrapped (``{"module": "message", "content": "<the event as JSON text>"}``). Other
modules (heartbeat, build_connection) are no events; a build_connection that failed is a refusal. Events carry the payloads of
Zoom's webhooks: ``event``, ``event_ts`` in ms, ``payload.operator``, ``payload.object``; an update names what changed in
``payload.old_object``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from syncd.model import Happened, Sighting, WitnessSource
from syncd.zoom.parse import text_of

HEARTBEAT = '{"module":"heartbeat"}'

_WHAT: Mapping[str, Happened] = {
    "user.activated": Happened.ACTIVATED,
    "user.deactivated": Happened.DEACTIVATED,
    "user.updated": Happened.UPDATED,
    "user.deleted": Happened.DELETED,
    "user.disassociated": Happened.DELETED,
}
_FIELDS: Mapping[str, str] = {
    "email": "email",
    "status": "status",
    "role": "role",
    "role_id": "role",
    "role_name": "role",
    "roles": "role",
    "type": "type",
    "plan_united_type": "type",
    "zoom_one_type": "type",
    "license_info_list": "type",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Milliseconds: from 2001 on, and before the year 5000. Seconds would lie before.
_TIMES = range(1_000_000_000_000, 95_000_000_000_000)


class OddMessage(Exception):
    """Nothing that Zoom is known to send; says what is odd, and quotes nothing."""


class Turned(Exception):
    """Zoom does not want this connection; with its words."""


def sightings_in(message: str | bytes) -> tuple[Sighting, ...]:
    """The event in a message, if there is one of interest. Raises OddMessage, Turned."""
    said = _object(message)
    if "event" in said:
        return _sightings(said)
    module = said.get("module")
    if module == "message":
        content = said.get("content")
        return _sightings(content if isinstance(content, dict) else _object(content if isinstance(content, str) else ""))
    if module == "build_connection" and said.get("success") is False:
        raise Turned(text_of(said.get("content")) or "no reason given")
    if isinstance(module, str):
        return ()
    raise OddMessage("neither an event nor a module")


def _sightings(event: Mapping[str, Any]) -> tuple[Sighting, ...]:
    name = event.get("event")
    if not isinstance(name, str):
        raise OddMessage("an event without a name")
    what = _WHAT.get(name)
    if what is None:
        return ()
    payload, at = event.get("payload"), event.get("event_ts")
    if not isinstance(at, int) or isinstance(at, bool) or at not in _TIMES:
        raise OddMessage("an event without a time in milliseconds")
    if not isinstance(payload, dict) or not isinstance(payload.get("object"), dict):
        raise OddMessage("an event about nobody")
    about: dict[str, Any] = payload["object"]
    old = payload.get("old_object")
    zoom_id = about.get("id")
    if not isinstance(zoom_id, str) or not zoom_id.strip():
        raise OddMessage("an event about nobody")
    fields = _touched(about, old if isinstance(old, dict) else {}) if what is Happened.UPDATED else frozenset()
    return (
        Sighting(
            WitnessSource.EVENT,
            _EPOCH + timedelta(milliseconds=at),
            what,
            zoom_id,
            text_of(about.get("email")).strip(),
            text_of(payload.get("operator")).strip(),
            fields,
        ),
    )


def _touched(about: Mapping[str, Any], old: Mapping[str, Any]) -> frozenset[str]:
    """What an update changed, of what matters. What names only the account is the same on both sides."""
    named = old or about
    return frozenset(
        word
        for name, word in _FIELDS.items()
        if name in named
        and (name not in old or name not in about or old[name] != about[name])
        and not (not old and name == "email")
    )


def _object(text: str | bytes) -> dict[str, Any]:
    try:
        said = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise OddMessage("not JSON") from None
    if not isinstance(said, dict):
        raise OddMessage("no object")
    return said

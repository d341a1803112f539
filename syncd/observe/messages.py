"""What a notice looks like to its receiver: plain JSON, Slack's blocks, or an Adaptive Card for a Workflow of Teams. Pure.

A notice is a headline, facts as (name, value), the words of what is wrong, and one complete command to copy. The limits are the
receivers' own: Slack takes 3,000 characters a section and 10 fields of 2,000; Teams takes cards of 28 KiB, as bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_SLACK_TEXT_MAX, _SLACK_FIELD_MAX, _SLACK_FIELDS_MAX = 2900, 1900, 10
_SLACK_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_CARD_TEXT_MAX, _CARD_FACTS_MAX = 3000, 20  # four texts and 20 facts of 600 are less than 28 KiB


@dataclass(frozen=True, slots=True)
class Notice:
    """*word*: what it is about (``held``, …). *body*: everything for programs, the text included."""

    word: str
    headline: str
    says: str = ""
    do: str = ""
    command: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    body: Mapping[str, Any] | None = None


def as_json(notice: Notice) -> dict[str, Any]:
    """The plain shape, ``syncd.notification/1``."""
    return dict(notice.body or {})


def as_slack(notice: Notice) -> dict[str, Any]:
    """Slack's incoming webhooks: ``text`` for notifications on a phone, ``blocks`` for the channel."""

    def section(text: str) -> dict[str, Any]:
        return {"type": "section", "text": {"type": "mrkdwn", "text": text}}

    blocks = [section(f"*{_slack(notice.headline)}*")]
    if notice.says:
        blocks.append(section(_slack(notice.says)))
    if notice.facts:
        fields = [
            {"type": "mrkdwn", "text": f"*{_slack(name, 200)}*\n{_slack(value, _SLACK_FIELD_MAX - 300)}"}
            for name, value in notice.facts[:_SLACK_FIELDS_MAX]
        ]
        blocks.append({"type": "section", "fields": fields})
    if notice.do:
        blocks.append(section(_slack(notice.do)))
    if notice.command:
        escaped = _slack(notice.command, 6 * len(notice.command))
        command, instead = _whole(escaped, len(escaped), _SLACK_TEXT_MAX)
        blocks.append(section(f"```{command}```" if command else instead))
    return {"text": _slack(notice.headline), "blocks": blocks}


def as_teams(notice: Notice) -> dict[str, Any]:
    """A message with one Adaptive Card, as the Workflows webhook of Teams takes it."""

    def text(value: str, **more: Any) -> dict[str, Any]:
        return {"type": "TextBlock", "text": _cut(value, _CARD_TEXT_MAX), "wrap": True, **more}

    body = [text(notice.headline, weight="Bolder", size="Medium")]
    if notice.says:
        body.append(text(notice.says))
    if notice.facts:
        body.append(
            {
                "type": "FactSet",
                "facts": [
                    {"title": _cut(name, 200), "value": _cut(value, 400)} for name, value in notice.facts[:_CARD_FACTS_MAX]
                ],
            }
        )
    if notice.do:
        body.append(text(notice.do))
    if notice.command:
        command, instead = _whole(notice.command, _bytes(notice.command), _CARD_TEXT_MAX)
        body.append(text(command, fontType="Monospace") if command else text(instead))
    card = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "msteams": {"width": "Full"},
    }
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}],
    }


SHAPES: Mapping[str, Callable[[Notice], dict[str, Any]]] = {"json": as_json, "slack": as_slack, "teams": as_teams}


def _slack(text: str, most: int = _SLACK_TEXT_MAX) -> str:
    """At most so many characters as Slack counts them: it reads ``<…>`` as links and mentions, so that three characters are
    written as entities, and none of these is cut in two."""
    entities = [_SLACK_ENTITIES.get(one, one) for one in text]
    if sum(map(len, entities)) <= most:
        return "".join(entities)
    fits, length = 0, 1  # for the sign that something is missing
    while length + len(entities[fits]) <= most:
        length, fits = length + len(entities[fits]), fits + 1
    return "".join(entities[:fits]) + "…"


def _whole(command: str, length: int, most: int) -> tuple[str, str]:
    """(the command, words instead): a command is shown whole or not at all, for half of one is another one."""
    return (command, "") if length <= most else ("", "The command is too long for this message: syncd plan ends with it.")


def _cut(text: str, most: int) -> str:
    """At most so many bytes, as they are sent."""
    if _bytes(text) <= most:
        return text
    kept, length = [], 3  # for the sign that something is missing
    for one in text:
        length += _bytes(one)
        if length > most:
            break
        kept.append(one)
    return "".join(kept) + "…"


def _bytes(text: str) -> int:
    return len(json.dumps(text)) - 2  # without its quotes; letters beyond ASCII at their longest

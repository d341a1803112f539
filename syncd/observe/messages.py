"""What a notice looks like to its receiver: plain JSON, Slack's blocks, or an Adaptive Card for a Workflow of Teams. Pure.

A notice is a headline, facts as (name, value), the words of what is wrong, and one complete command to copy. The limits are the
receivers' own: Slack takes 3,000 characters a section and 10 fields of 2,000; Teams takes cards of 28 KiB.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_SLACK_TEXT_MAX, _SLACK_FIELD_MAX, _SLACK_FIELDS_MAX = 2900, 1900, 10
_CARD_TEXT_MAX, _CARD_FACTS_MAX = 3000, 20


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
        fields = [{"type": "mrkdwn", "text": f"*{_slack(name, 200)}*\n{_slack(value, _SLACK_FIELD_MAX - 300)}"}
                  for name, value in notice.facts[:_SLACK_FIELDS_MAX]]
        blocks.append({"type": "section", "fields": fields})
    if notice.do:
        blocks.append(section(_slack(notice.do)))
    if notice.command:
        blocks.append(section(f"```{_slack(notice.command)}```"))
    return {"text": _slack(notice.headline), "blocks": blocks}


def as_teams(notice: Notice) -> dict[str, Any]:
    """A message with one Adaptive Card, as the Workflows webhook of Teams takes it."""
    def text(value: str, **more: Any) -> dict[str, Any]:
        return {"type": "TextBlock", "text": _cut(value, _CARD_TEXT_MAX), "wrap": True, **more}

    body = [text(notice.headline, weight="Bolder", size="Medium")]
    if notice.says:
        body.append(text(notice.says))
    if notice.facts:
        body.append({"type": "FactSet", "facts": [{"title": _cut(name, 200), "value": _cut(value, 400)}
                                                  for name, value in notice.facts[:_CARD_FACTS_MAX]]})
    if notice.do:
        body.append(text(notice.do))
    if notice.command:
        body.append(text(notice.command, fontType="Monospace"))
    card = {"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4",
            "body": body, "msteams": {"width": "Full"}}
    return {"type": "message", "attachments": [
        {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}]}


SHAPES: Mapping[str, Callable[[Notice], dict[str, Any]]] = {"json": as_json, "slack": as_slack, "teams": as_teams}


def _slack(text: str, most: int = _SLACK_TEXT_MAX) -> str:
    """Slack reads ``<…>`` as links and mentions, so that three characters are written as entities."""
    return _cut(text, most).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most - 1] + "…"

"""When the client secret ends, where the app may read its own registration (Application.Read.All, which nothing else needs).

Entra never shows a secret again, only its first three letters; so every secret that begins so and has not ended may be ours,
and the earliest end counts: a warning too early costs less than one too late.
Source: https://learn.microsoft.com/en-us/graph/api/resources/passwordcredential
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from datetime import datetime

from syncd.directories.entra.graph import Graph
from syncd.directories.entra.settings import ClientSecret, EntraSettings
from syncd.errors import ConfigError, SourceError

READS_APPLICATIONS = frozenset(
    {"Application.Read.All", "Application.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}
)


async def secret_ends_at(graph: Graph, settings: EntraSettings, roles: Collection[str] | None, now: datetime) -> datetime | None:
    """The end of the client secret in use; None where it cannot be told, for whatever reason."""
    if not isinstance(settings.credential, ClientSecret) or READS_APPLICATIONS.isdisjoint(roles or ()):
        return None
    with suppress(SourceError, ConfigError):
        hint = settings.credential.read()[:3]
        app = await graph.get("application", f"/applications(appId='{settings.client_id}')", {"$select": "passwordCredentials"})
        listed = app.get("passwordCredentials") if app is not None else None
        ends = [_time(one.get("endDateTime")) for one in listed or () if isinstance(one, dict) and one.get("hint") == hint]
        return min((end for end in ends if end is not None and end > now), default=None)
    return None


def _time(text: object) -> datetime | None:
    with suppress(ValueError):
        at = datetime.fromisoformat(str(text))
        return at if at.tzinfo is not None else None
    return None

"""Access tokens: who was given which, what it may do, until when. Shared by the token service and the simulated Graph.

A token is a JWT, so that a client may look at its ``roles``; what counts is the register, so nothing can be forged.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import msgspec


@dataclass(frozen=True, slots=True)
class Grant:
    """What one token stands for. *roles* are the application permissions the app had when the token was made."""

    client_id: str
    tenant_id: str
    audience: str
    roles: frozenset[str]
    expires_at: datetime


@dataclass
class AccessTokens:
    """Every token issued."""

    _grants: dict[str, Grant] = field(default_factory=dict, repr=False)

    def issue(self, grant: Grant, issuer: str, now: datetime) -> str:
        """A new token for *grant*; earlier ones stay good."""
        claims = {
            "aud": grant.audience,
            "iss": issuer,
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "exp": int(grant.expires_at.timestamp()),
            "appid": grant.client_id,
            "azp": grant.client_id,
            "azpacr": "1",
            "idtyp": "app",
            "tid": grant.tenant_id,
            "ver": "1.0",
            "uti": str(len(self._grants)),
        }
        if grant.roles:  # an app without permissions has no such claim
            claims["roles"] = sorted(grant.roles)
        head = _part({"typ": "JWT", "alg": "RS256", "kid": "lab"}) + "." + _part(claims)
        seal = hashlib.blake2b(f"{head}/{len(self._grants)}".encode(), digest_size=64).digest()
        token = f"{head}.{base64.urlsafe_b64encode(seal).decode().rstrip('=')}"
        self._grants[token] = grant
        return token

    def find(self, authorization: str | None) -> Grant | None:
        """The grant behind an ``Authorization`` header, also when its time is over."""
        scheme, _, token = (authorization or "").partition(" ")
        return self._grants.get(token.strip()) if scheme.lower() == "bearer" else None

    def expire(self, authorization: str | None, now: datetime) -> None:
        """The token of this request is over, as of now."""
        token = (authorization or "").partition(" ")[2].strip()
        if token in self._grants:
            self._grants[token] = replace(self._grants[token], expires_at=now)

    def expire_all(self, now: datetime) -> None:
        """Every token issued so far is over."""
        self._grants = {token: replace(grant, expires_at=min(now, grant.expires_at)) for token, grant in self._grants.items()}

    @property
    def issued(self) -> int:
        """How many tokens were given out."""
        return len(self._grants)


def lifetime(now: datetime, expires_at: datetime) -> int:
    """Seconds a token is good for, as the answer says it."""
    return max(0, (expires_at - now) // timedelta(seconds=1))


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).decode().rstrip("=")

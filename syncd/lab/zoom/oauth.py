"""Server-to-server OAuth as Zoom documents it: one app's credentials, the tokens it was given, what they may do.

A new token leaves earlier ones valid; a token never gains scopes later. Nothing here shows a secret or a token in its repr.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from syncd.lab.answers import Answer, Refusal, as_json
from syncd.lab.zoom.operations import ALL_SCOPES, Operation, account_scopes


@dataclass(frozen=True, slots=True)
class Grant:
    """What one token stands for."""

    client_id: str
    expires_at: datetime
    scopes: frozenset[str]
    kind: str = "account_credentials"


@dataclass
class OAuth:
    """The app. Everything may be changed while it runs; *rights* None: the role of whoever made the app lacks nothing.

    *trouble_form* picks the shape of the answer to a bad or expired token, since Zoom's documents and reports disagree:
    ``401`` (401/124), ``400`` (400/124) or ``other`` (401 with ``errorCode``).
    """

    account_id: str = "lab-account"
    client_id: str = "lab-client"
    client_secret: str = field(default="lab-secret", repr=False)
    old_secrets: tuple[str, ...] = field(default=(), repr=False)  # still good after a rotation
    enabled: bool = True
    scopes: frozenset[str] = ALL_SCOPES
    classic: bool = False
    rights: frozenset[str] | None = None
    lifetime: timedelta = timedelta(hours=1)
    api_url: str | None = None  # None: the address the request came to
    trouble_form: str = "401"
    grants: frozenset[str] = frozenset({"account_credentials", "client_credentials"})  # the second: for WebSockets
    more_apps: dict[str, tuple[str, frozenset[str]]] = field(default_factory=dict, repr=False)  # client id -> secret, scopes
    _grants: dict[str, Grant] = field(default_factory=dict, repr=False)
    _issued: int = 0

    def issue(self, authorization: str | None, params: Mapping[str, str], base_url: str, now: datetime) -> Answer:
        """The token request. Raises Refusal in the token endpoint's own shape (``reason``, ``error``)."""
        client, scopes = self._client(authorization)
        if not client:
            raise _token_refusal("Invalid client_id or client_secret", "invalid_client", 4702)
        if not self.enabled:
            raise _token_refusal("The app is disabled.", "invalid_client", 4717)
        kind = params.get("grant_type", "")
        if kind not in self.grants:
            raise _token_refusal("unsupported grant type", "unsupported_grant_type", 4705)
        if kind == "account_credentials" and params.get("account_id") != self.account_id:
            # What Zoom really answers here is not known; the shape is that of its other token errors.
            raise _token_refusal("Invalid account_id", "invalid_request", 4706)
        self._issued += 1
        token = hashlib.blake2b(f"{self.client_id}/{self._issued}".encode(), digest_size=24).hexdigest()
        self._grants[token] = Grant(client, now + self.lifetime, frozenset(scopes), kind)
        return as_json(
            {
                "access_token": token,
                "token_type": "bearer",
                "expires_in": int(self.lifetime.total_seconds()),
                "scope": " ".join(sorted(scopes)),
                "api_url": self.api_url or base_url,
            }
        )

    def authorise(self, authorization: str | None, operation: Operation, now: datetime) -> Grant:
        """Whose call this is. Raises Refusal: bad or expired token, scope missing, role right missing."""
        scheme, _, token = (authorization or "").partition(" ")
        grant = self._grants.get(token.strip()) if scheme.lower() == "bearer" else None
        if grant is None or not self.enabled or grant.kind != "account_credentials":
            raise self.trouble("Invalid access token.")
        if grant.expires_at <= now:
            raise self.trouble("Access token is expired.")
        if grant.scopes.isdisjoint(account_scopes(operation, classic=self.classic)):
            raise scope_missing(operation, classic=self.classic)
        if self.rights is not None and not self.rights.issuperset(operation.rights):
            raise right_missing(operation)
        return grant

    def grant_of(self, token: str, now: datetime) -> str | None:
        """By which grant a token was got; None for one that is no good."""
        grant = self._grants.get(token)
        return grant.kind if grant is not None and self.enabled and grant.expires_at > now else None

    def trouble(self, message: str) -> Refusal:
        """A refusal of a token in the shape chosen by *trouble_form*."""
        if self.trouble_form == "other":
            return Refusal(401, 124, message, body={"status": False, "errorCode": 401})
        return Refusal(int(self.trouble_form), 124, message)

    def expire(self, authorization: str | None, now: datetime) -> None:
        """The token of this request is over, as of now."""
        token = (authorization or "").partition(" ")[2].strip()
        if token in self._grants:
            self._grants[token] = replace(self._grants[token], expires_at=now)

    def expire_all(self, now: datetime) -> None:
        """Every token issued so far is over."""
        self._grants = {token: replace(grant, expires_at=now) for token, grant in self._grants.items()}

    @property
    def issued(self) -> int:
        """How many tokens were given out."""
        return self._issued

    def _client(self, authorization: str | None) -> tuple[str, frozenset[str]]:
        """Whose credentials these are, and what that app may do; "" when nobody's."""
        nobody: tuple[str, frozenset[str]] = ("", frozenset())
        scheme, _, encoded = (authorization or "").partition(" ")
        if scheme.lower() != "basic":
            return nobody
        try:
            client_id, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return nobody
        good: tuple[str, ...]
        if client_id == self.client_id:
            good, scopes = (self.client_secret, *self.old_secrets), self.scopes
        elif client_id in self.more_apps:
            good, scopes = (self.more_apps[client_id][0],), self.more_apps[client_id][1]
        else:
            return nobody
        known = any(hmac.compare_digest(secret.encode(), one.encode()) for one in good)
        return (client_id, scopes) if known else nobody


def scope_missing(operation: Operation, *, classic: bool = False) -> Refusal:
    """The app was not given the scope: 400/4711, or 400/4700 for an older app."""
    if classic:
        return Refusal(400, 4700, f"Invalid access token, does not contain scopes: [{', '.join(operation.classic)}].")
    return Refusal(400, 4711, f"Invalid access token, does not contain scopes:[{', '.join(operation.granular)}].")


def right_missing(operation: Operation) -> Refusal:
    """The role of whoever the token acts for lacks a right: code 200, which Zoom uses for much else."""
    return Refusal(400, 200, f"Invalid access token. Does not contain permissions [{', '.join(operation.rights)}].")


def _token_refusal(reason: str, error: str, code: int) -> Refusal:
    body: dict[str, Any] = {"reason": reason, "error": error}
    return Refusal(400, code, reason, body=body)

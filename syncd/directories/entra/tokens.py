"""Tokens for Graph, by msal: one at a time, off the event loop, with the project's own trust, proxy and time limits.

What msal leaves open is settled here. It asks several times when several ask (here one does), it has no time limits and no
retry, it replays failures from memory, and it loses a good token when a renewal fails with a 5xx or a broken connection: so
such answers are handed to it as the exceptions it falls back on, and nothing of them is kept. The application object is made
once and made anew when the secret changed or Graph refused its token, since msal's own way of forgetting asks Microsoft's
public cloud for names.

Nothing raised or told here holds a secret, a token or an assertion.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import logging
import warnings
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msal  # type: ignore[import-untyped]
import msgspec
from requests import exceptions as requests_exceptions  # what msal falls back on

from syncd.directories.entra.certificate import key_and_certificate
from syncd.directories.entra.refusals import SignInRefusal, sign_in_refusal, without_addresses
from syncd.directories.entra.settings import Certificate, ClientSecret, EntraSettings, FederatedToken, ManagedIdentity
from syncd.errors import ConfigError, CredentialsRefused, LimitReached, SourceError
from syncd.events import Answered, Noted, RetryScheduled, Waited
from syncd.http.client import ApiSettings, BlockingClient, NoAnswer, PlainAnswer
from syncd.http.pace import backoff, parse_retry_after
from syncd.http.tokens import Token, TokenKeeper
from syncd.ports import Clock, Tell

logging.getLogger("msal").setLevel(logging.CRITICAL)  # it logs whole pages it cannot read; what matters is told here

#: The first and three more; then the cycle ends, and the next one tries again.
TRIES = 4

#: A token that msal kept because renewing failed is asked for again after this.
RENEW_AGAIN_SECONDS = 60.0

TOKEN_SECONDS_MAX = 20.0

_Seen = PlainAnswer | NoAnswer | None


class EntraTokens:
    """Implements ``http.Tokens``. *roles*: the application permissions in the latest token; None when it does not tell."""

    def __init__(self, settings: EntraSettings, clock: Clock, tell: Tell) -> None:
        self._settings, self._clock, self._tell = settings, clock, tell
        self._keeper = TokenKeeper(self._fetch, clock)
        identity = isinstance(settings.credential, ManagedIdentity)
        self._http = _MsalHttp(
            BlockingClient(
                ApiSettings(
                    "graph",
                    "directory",
                    settings.authority,
                    ca_file=settings.ca_file,
                    # The machine's own identity endpoint is never behind a proxy.
                    proxy=None if identity else settings.proxy,
                    proxy_from_environment=not identity,
                    connect_seconds=settings.connect_timeout_seconds,
                    read_seconds=min(10.0, settings.read_timeout_seconds),
                    request_seconds=TOKEN_SECONDS_MAX,
                ),
                clock,
            ),
            clock,
        )
        self._application: Any = None
        self._made_of = b""
        self._latest = ""
        self.roles: frozenset[str] | None = None

    async def get(self) -> str:
        """A token believed to be good. Raises SourceError, CredentialsRefused, LimitReached."""
        return await self._keeper.get()

    def refused(self, token: str) -> None:
        """Graph refused this token: neither it nor msal's memory of it is used again."""
        if token == self._latest:
            self._application = None
        self._keeper.refused(token)

    def credential_ends_at(self) -> datetime | None:
        """When the credential stops working, where it can be told (a certificate). Raises CredentialsRefused."""
        credential = self._settings.credential
        if not isinstance(credential, Certificate):
            return None
        try:
            return key_and_certificate(credential.read()).ends_at
        except ConfigError as error:
            raise _unusable(error) from None

    async def close(self) -> None:
        """Gives connections back."""
        self._http.close()

    # ------------------------------------------------------------------------------------------------------ one token

    async def _fetch(self) -> Token:
        attempt = 0
        while True:
            attempt += 1
            reason, wait = await self._try(attempt)
            if isinstance(reason, Token):
                return reason
            self._tell(RetryScheduled("graph", "token", reason, attempt, wait))
            await self._clock.sleep(wait)
            self._tell(Waited("graph", "backoff", wait))

    async def _try(self, attempt: int) -> tuple[Token | str, float]:
        """A token, or why to try again and after how many seconds. Raises when there is no sense in that."""
        self._http.begin()
        began = self._clock.monotonic()
        result: Any = None
        trouble: Exception | None = None
        try:
            result = await asyncio.to_thread(self._acquire)
        except ConfigError as unreadable:  # the secret cannot be read: nothing was sent
            raise _unusable(unreadable) from None
        except (
            requests_exceptions.RequestException,
            msal.exceptions.MsalError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            RuntimeError,
            OSError,
        ) as failure:
            trouble = failure
        asked, last = self._http.asked, self._http.last
        good = isinstance(result, dict) and isinstance(result.get("access_token"), str)
        if asked:
            self._tell(Answered("graph", "token", "ok" if good else _answer_word(last), self._clock.monotonic() - began))
        if good:
            return self._understood(result), 0.0
        self._application = None  # begin with nothing remembered
        refusal = _refusal_of(result, last)
        if refusal is not None and refusal.trace:
            self._tell(Noted("token.refused", "warning", {"codes": list(refusal.codes), "trace": refusal.trace}))
        reason = _reason_to_repeat(last, refusal)
        error = self._error(last, refusal, trouble)
        if not reason or attempt >= TRIES:
            raise error
        hint = parse_retry_after(last.headers.get("retry-after"), self._clock.now()) if isinstance(last, PlainAnswer) else None
        if hint is not None and hint > self._settings.max_wait_seconds:
            raise LimitReached(
                "directory",
                f"{error.what} It asks to wait {hint:.0f} s, longer than {self._settings.max_wait_seconds:.0f} s.",
                "A later cycle tries again.",
            )
        return reason, backoff(attempt, hint, self._clock.random())

    def _understood(self, result: Mapping[str, Any]) -> Token:
        token = result["access_token"]
        lifetime = float(result.get("expires_in") or 0)
        # What cannot stand in a header would be quoted by whoever refuses to send it.
        if not token or not all("!" <= letter <= "~" for letter in token) or lifetime <= 0:
            raise SourceError(
                "directory",
                "entra token: the answer holds no usable token.",
                "Check directory.entra.authority_url and the proxy.",
            )
        if "refresh_on" in result:
            # Microsoft asks to renew then; a time gone by means that renewing failed and the old one still holds.
            renew_in = float(result["refresh_on"]) - self._clock.now().timestamp()
            lifetime = min(lifetime, renew_in if renew_in > 0 else RENEW_AGAIN_SECONDS)
        self._latest, self.roles = token, roles_in(token)
        return Token(token, lifetime)

    def _acquire(self) -> Any:
        """In a thread. Raises whatever msal, the network or reading the secret raises."""
        settings = self._settings
        made_of = self._fingerprint()
        if self._application is None or made_of != self._made_of:
            self._application, self._made_of = self._made(), made_of
        if isinstance(settings.credential, ManagedIdentity):
            return self._application.acquire_token_for_client(resource=settings.resource)
        return self._application.acquire_token_for_client([f"{settings.resource}/.default"])

    def _fingerprint(self) -> bytes:
        credential = self._settings.credential
        if isinstance(credential, ClientSecret | Certificate):
            return hashlib.sha256(credential.read().encode()).digest()
        return b""

    def _made(self) -> Any:
        settings, credential = self._settings, self._settings.credential
        if isinstance(credential, ManagedIdentity):
            kind = (
                msal.SystemAssignedManagedIdentity()
                if credential.client_id is None
                else msal.UserAssignedManagedIdentity(client_id=credential.client_id)
            )
            return msal.ManagedIdentityClient(kind, http_client=self._http)
        given: Any
        if isinstance(credential, ClientSecret):
            given = credential.read()
        elif isinstance(credential, Certificate):
            pair = key_and_certificate(credential.read())
            given = {"private_key": pair.private_key, "public_certificate": pair.certificate}
        else:
            assert isinstance(credential, FederatedToken)
            given = {"client_assertion": credential.read}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return msal.ConfidentialClientApplication(
                settings.client_id,
                client_credential=given,
                authority=settings.authority,
                http_client=self._http,
                # With an address of the operator's own nobody else is asked whether it is Microsoft's.
                instance_discovery=False if settings.authority_url else None,
            )

    # ------------------------------------------------------------------------------------------------- what went wrong

    def _error(self, last: _Seen, refusal: SignInRefusal | None, trouble: Exception | None) -> SourceError:
        where = self._settings.authority_host
        if isinstance(last, NoAnswer):
            if isinstance(self._settings.credential, ManagedIdentity):
                return SourceError(
                    "directory",
                    f"entra token: no managed identity answers here ({last}).",
                    "It works on a machine of Azure that has one; elsewhere use another credential.",
                )
            return SourceError(
                "directory",
                f"entra token: {last}.",
                last.do or f"See whether {where} can be reached from here; check proxy and directory.entra.authority_url.",
            )
        if refusal is not None:
            kind = SourceError if refusal.transient else CredentialsRefused
            return kind(
                "directory",
                f"{refusal.what}.",
                "Microsoft calls this temporary: the next cycle tries again." if refusal.transient else refusal.do,
            )
        if last is not None and 300 <= last.status_code < 400:
            return SourceError(
                "directory",
                f"entra token: {where} answered {last.status_code}, a redirect; it was not followed.",
                "Correct directory.entra.authority_url, or the proxy.",
            )
        if last is not None:
            kind_of = last.headers.get("content-type", "no content type")
            return SourceError(
                "directory",
                f"entra token: {where} answered {last.status_code} with something that is no token ({kind_of}).",
                "Check directory.entra.authority_url, the proxy and whether the service is up.",
            )
        says = f" ({type(trouble).__name__}: {without_addresses(str(trouble))[:200]})" if trouble is not None else ""
        return SourceError(
            "directory",
            f"entra token: none could be had{says}.",
            "Check directory.entra.tenant_id, authority_url and credential.",
        )


class _MsalHttp:
    """What msal sends its requests through. Remembers the latest answer, since msal's own errors say too little."""

    def __init__(self, client: BlockingClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self.begin()

    def begin(self) -> None:
        """Forgets what was seen."""
        self.asked = 0
        self.last: _Seen = None

    def get(self, url: str, params: Any = None, headers: Any = None, **_: Any) -> PlainAnswer:
        return self._ask("GET", url, params, None, headers)

    def post(self, url: str, params: Any = None, data: Any = None, headers: Any = None, **_: Any) -> PlainAnswer:
        # msal 1.39 hands a certificate's assertion over as bytes, which httpx would send as "b'…'" (AADSTS700027).
        form = {key: value.decode() if isinstance(value, bytes) else str(value) for key, value in dict(data or {}).items()}
        return self._ask("POST", url, params, form, headers)

    def close(self) -> None:
        self._client.close()

    def _ask(self, method: str, url: str, params: Any, form: Mapping[str, str] | None, headers: Any) -> PlainAnswer:
        self.asked += 1
        try:
            self.last = answer = self._client.request(method, url, params=params, form=form, headers=headers)
        except NoAnswer as error:
            self.last = error
            raise requests_exceptions.ConnectionError(str(error)) from None
        if answer.status_code >= 500 or answer.status_code == 429 or _body_is_transient(answer):
            raise requests_exceptions.HTTPError(f"HTTP {answer.status_code}")  # so that msal neither keeps nor replays it
        return answer


def roles_in(token: str) -> frozenset[str] | None:
    """The ``roles`` claim of an access token: the application permissions that were granted. Read, not verified: it only
    words advice, and lets a group with hidden members be refused. None for a token that cannot be looked into."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)), type=dict[str, Any])
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return None
    roles = claims.get("roles", [])
    return frozenset(role for role in roles if isinstance(role, str)) if isinstance(roles, list) else None


def _json_of(answer: PlainAnswer) -> dict[str, Any]:
    try:
        return msgspec.json.decode(answer.text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return {}


def _body_is_transient(answer: PlainAnswer) -> bool:
    return answer.status_code >= 400 and sign_in_refusal(_json_of(answer)).transient


def _refusal_of(result: Any, last: _Seen) -> SignInRefusal | None:
    if isinstance(last, PlainAnswer) and last.status_code >= 400:
        body = _json_of(last)
        return sign_in_refusal(body, last.status_code) if body.get("error") else None
    if isinstance(result, dict) and result.get("error"):
        return sign_in_refusal(result)
    return None


def _reason_to_repeat(last: _Seen, refusal: SignInRefusal | None) -> str:
    if isinstance(last, NoAnswer):
        return "" if last.do else "network_error"
    if last is None:
        return ""
    if last.status_code == 429:
        return "throttled"
    return "server_error" if last.status_code >= 500 or (refusal is not None and refusal.transient) else ""


def _answer_word(last: _Seen) -> str:
    if isinstance(last, NoAnswer) or last is None:
        return "network_error"
    if last.status_code == 429:
        return "throttled"
    if last.status_code == 401:
        return "unauthorized"
    return "refused" if 400 <= last.status_code < 500 else "server_error"


def _unusable(error: ConfigError) -> CredentialsRefused:
    return CredentialsRefused("directory", f"entra token: {error.what}; nothing was sent.", error.do)

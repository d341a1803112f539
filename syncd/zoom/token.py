"""Server-to-server OAuth: asks Zoom for a token (https://developers.zoom.us/docs/internal-apps/s2s-oauth/).

The token endpoint lies on another host than the API and has another error shape (``error``, ``reason``). Its answer may name
a nearer API host; that is followed only to Zoom's own hosts, since the token is sent there.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from syncd.errors import ConfigError, CredentialsRefused, NoUsableAnswer, SourceError
from syncd.events import Noted
from syncd.http.answers import WEB_PAGE_ADVICE, ErrorBody, Reply
from syncd.http.client import Api
from syncd.http.tokens import Token
from syncd.ports import ReadSecret, Tell
from syncd.zoom.limits import TOKEN
from syncd.zoom.parse import TokenAnswer, reader
from syncd.zoom.refusals import without_addresses


@dataclass(frozen=True, slots=True)
class Cloud:
    """Where one of Zoom's clouds is found. *api_hosts*: what a token answer may send us to."""

    token_url: str
    api_url: str
    api_hosts: re.Pattern[str]
    events_url: str = ""  # of its WebSockets; empty: not known


#: The government cloud's hosts are not in Zoom's table of regions; several public clients use these.
CLOUDS: Mapping[str, Cloud] = {
    "commercial": Cloud(
        "https://zoom.us/oauth/token", "https://api.zoom.us/v2", re.compile(r"api(-[a-z]{2})?\.zoom\.us"), "wss://ws.zoom.us/ws"
    ),
    "government": Cloud(
        "https://zoomgov.com/oauth/token", "https://api.zoomgov.com/v2", re.compile(r"api(-[a-z]{2})?\.zoomgov\.com")
    ),
}

_WRONG_CLIENT = "Check zoom.client_id and the client secret (App Credentials of the Server-to-Server OAuth app)."
_SWITCHED_OFF = "Activate the app in the Zoom Marketplace; an admin may have disabled it."
_ADVICE: Mapping[int | str, str] = {
    "invalid_client": _WRONG_CLIENT,
    4702: _WRONG_CLIENT,
    4704: _WRONG_CLIENT,
    4706: _WRONG_CLIENT,
    "unsupported_grant_type": "The app must be of the kind Server-to-Server OAuth.",
    4705: "The app must be of the kind Server-to-Server OAuth.",
    4717: _SWITCHED_OFF,
    4738: _SWITCHED_OFF,
    4735: "The Zoom user the token acts for is gone: see who owns the account and who made the app.",
    4741: "The token was revoked: see whether the app is still authorised.",
}
_read_token = reader(TokenAnswer)


def read_token_error(status: int, body: bytes, headers: Mapping[str, str]) -> ErrorBody:  # noqa: ARG001 (a ReadError)
    """Reads the token endpoint's error shape."""
    try:
        said = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        said = {}
    code = said.get("error", said.get("code", said.get("errorCode")))
    words = [str(said[key]) for key in ("reason", "message", "error_description", "errorMessage") if said.get(key)]
    return ErrorBody(code=code if isinstance(code, int | str) else None, message=without_addresses("; ".join(words))[:300])


class TokenSource:
    """Fetches tokens; what the answer says beside the token is kept. *move* is told the API's nearer host."""

    def __init__(
        self,
        api: Api,
        path: str,
        *,
        account_id: str,
        client_id: str,
        client_secret: ReadSecret,
        cloud: Cloud,
        move: Callable[[str], None] | None,
        tell: Tell,
    ) -> None:
        self._api, self._path, self._cloud, self._move, self._tell = api, path, cloud, move, tell
        self._account_id, self._client_id, self._client_secret = account_id, client_id, client_secret
        #: Scopes of the latest token; None when Zoom did not tell.
        self.scopes: frozenset[str] | None = None

    async def fetch(self) -> Token:
        """A new token, with the secret read afresh. Earlier tokens stay valid. Raises SourceError, CredentialsRefused."""
        answer = await self._ask({"grant_type": "account_credentials", "account_id": self._account_id})
        self.scopes = None if answer.scope is None else frozenset(answer.scope.split())
        if answer.api_url:
            self._follow(answer.api_url)
        return Token(answer.access_token, float(answer.expires_in))

    async def fetch_for_app(self) -> Token:
        """A token of the app itself, as Zoom's WebSockets take it. Raises SourceError, CredentialsRefused."""
        answer = await self._ask({"grant_type": "client_credentials"})
        return Token(answer.access_token, float(answer.expires_in))

    async def _ask(self, form: Mapping[str, str]) -> TokenAnswer:
        try:
            secret = self._client_secret()
        except ConfigError as error:
            raise CredentialsRefused("zoom", f"zoom token: {error.what}; nothing was sent.", error.do) from None
        basic = base64.b64encode(f"{self._client_id}:{secret}".encode()).decode()
        try:
            reply = await self._api.request(
                "token",
                TOKEN,
                "POST",
                self._path,
                form=form,
                headers={"authorization": f"Basic {basic}"},
            )
        except NoUsableAnswer as error:  # concerns everybody, whoever is asked about with the token
            raise SourceError(error.source, error.what, error.do) from None
        if not reply.ok:
            raise _refused(reply)
        answer = _read_token(reply.body, "token")
        if not answer.access_token or not answer.access_token.isascii() or answer.expires_in <= 0:
            raise SourceError("zoom", "zoom token: the answer holds no usable token.", "Check zoom.token_url and the proxy.")
        return answer

    def _follow(self, api_url: str) -> None:
        if self._move is None:
            return
        parts = urlsplit(api_url)
        host = parts.netloc.lower()  # with a port or a user name in it, it is no host we know
        if parts.scheme == "https" and self._cloud.api_hosts.fullmatch(host) and parts.path.rstrip("/") in ("", "/v2"):
            self._move(f"https://{host}/v2")
        else:
            self._tell(Noted("zoom.api_url_ignored", "warning", {"host": parts.hostname or ""}))
            self._move(self._cloud.api_url)


def _refused(reply: Reply) -> SourceError:
    error = reply.error or ErrorBody()
    what = f"zoom token: refused with HTTP {reply.status}, {error.code or 'no code'}: {error.message or 'no reason given'}."
    if reply.is_web_page:
        return SourceError("zoom", what, WEB_PAGE_ADVICE)
    if reply.status in (404, 405):
        return SourceError("zoom", what, "This is no token endpoint: check zoom.token_url, zoom.cloud and the proxy.")
    otherwise = "Check zoom.account_id, zoom.client_id and the client secret, and that the app is active."
    return CredentialsRefused("zoom", what, _ADVICE.get(error.code or "", otherwise))

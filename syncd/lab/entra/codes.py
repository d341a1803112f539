"""AADSTS errors: number, HTTP status, OAuth error and words, in the body the token service sends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from syncd.lab.answers import Answer, as_json
from syncd.lab.entra.objects import guid
from syncd.lab.faults import Fault
from syncd.lab.graph.wire import Call, Refused

#: Number -> (status, error, words). Where no report shows the status (90033, 90055, 530032) it is a guess.
CODES: Mapping[int, tuple[int, str, str]] = {
    50027: (400, "invalid_request", "JWT token is invalid or malformed."),
    70003: (400, "unsupported_grant_type", "The app requested an unsupported grant type '{grant}'."),
    70021: (400, "invalid_request", "No matching federated identity record found for presented assertion."),
    90002: (
        400,
        "invalid_tenant",
        (
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are "
            "signing into the correct cloud. Check with your subscription administrator, this may happen "
            "if there are no active subscriptions for the tenant."
        ),
    ),
    90033: (503, "temporarily_unavailable", "A transient error has occurred. Please try again."),
    90055: (429, "temporarily_unavailable", "There are too many incoming requests for the tenant. Please try again."),
    90061: (400, "invalid_request", "Request to External OIDC endpoint failed."),
    500011: (
        400,
        "invalid_resource",
        (
            "The resource principal named {resource} was not found in the tenant named {tenant}. This "
            "can happen if the application has not been installed by the administrator of the tenant "
            "or consented to by any user in the tenant."
        ),
    ),
    530032: (400, "invalid_grant", "Blocked by a security policy of the tenant."),
    700016: (
        400,
        "unauthorized_client",
        (
            "Application with identifier '{client}' was not found in the directory '{tenant}'. "
            "This can happen if the application has not been installed by the administrator of the "
            "tenant or consented to by any user in the tenant. You may have sent your "
            "authentication request to the wrong tenant."
        ),
    ),
    700021: (401, "invalid_client", "Client assertion application identifier doesn't match 'client_id' parameter."),
    700023: (401, "invalid_client", "Client assertion audience claim does not match Realm issuer."),
    700024: (401, "invalid_client", "Client assertion is not within its valid time range."),
    700027: (401, "invalid_client", "Client assertion contains an invalid signature."),
    900144: (400, "invalid_request", "The request body must contain the following parameter: '{parameter}'."),
    900382: (400, "invalid_request", "Confidential Client is not supported in Cross Cloud request."),
    1002012: (
        400,
        "invalid_scope",
        (
            "The provided value for scope {scope} is not valid. Client credential flows must have a "
            "scope value with /.default suffixed to the resource identifier (application ID URI)."
        ),
    ),
    7000112: (400, "unauthorized_client", "Application '{client}'(syncd) is disabled."),
    7000215: (
        401,
        "invalid_client",
        (
            "Invalid client secret provided. Ensure the secret being sent in the request is the client "
            "secret value, not the client secret ID, for a secret added to app '{client}'."
        ),
    ),
    7000218: (
        401,
        "invalid_client",
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    ),
    7000222: (
        401,
        "invalid_client",
        (
            "The provided client secret keys for app '{client}' are expired. Visit the Azure portal to "
            "create new keys for your app: https://aka.ms/NewClientSecret, or consider using "
            "certificate credentials for added security: https://aka.ms/certCreds."
        ),
    ),
    7000229: (
        401,
        "invalid_client",
        (
            "The client application {client} is missing service principal in the tenant {tenant}. See "
            "instructions here: https://go.microsoft.com/fwlink/?linkid=2225119"
        ),
    ),
}


class SignInRefused(Refused):
    """The token service says no, with an AADSTS number. *facts* fill the words; *says* replaces them."""

    def __init__(self, code: int, says: str = "", **facts: str) -> None:
        self.code = code
        self.says = says or CODES[code][2].format_map(facts)
        super().__init__(f"AADSTS{code}: {self.says}")

    def answer_to(self, call: Call) -> Answer:
        """The error body."""
        return sign_in_error(self.code, self.says, call.at, call.request_id)


def sign_in_error(
    code: int, says: str, now: datetime, trace_id: str, *, status: int | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """An error of the token service in its shape."""
    usual, error, _ = CODES[code]
    stamp = now.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    correlation_id = guid(f"correlation {trace_id}")
    body: dict[str, Any] = {
        "error": error,
        "error_description": f"AADSTS{code}: {says} Trace ID: {trace_id} Correlation ID: {correlation_id} Timestamp: {stamp}",
        "error_codes": [code],
        "timestamp": stamp,
        "trace_id": trace_id,
        "correlation_id": correlation_id,
        "error_uri": f"https://login.microsoftonline.com/error?code={code}",
    }
    answer = as_json(body, usual if status is None else status)
    return Answer(answer.status, answer.body, dict(headers or {}), "application/json; charset=utf-8")


def sign_in_refused(code: int, *, status: int | None = None, **headers: str) -> Fault:
    """A fault: the token service answers this AADSTS number, whatever is presented. *headers*: ``Retry_After="3"``."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    words = ("tenant", "client", "resource", "scope", "grant", "parameter")
    says = CODES[code][2].format_map({word: f"the-{word}" for word in words})
    return Fault(
        f"AADSTS{code}", answer=lambda now: sign_in_error(code, says, now, guid(f"trace {now}"), status=status, headers=fields)
    )

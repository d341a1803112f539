"""What a refusal of Microsoft's means and what the operator must do. Pure.

    Graph answers                         means                                             raised
    401                                   token not accepted (the HTTP policy renews once)  CredentialsRefused
    403                                   a permission or its consent is missing            ScopeMissing, names it
    404 Request_ResourceNotFound          no such object, or not on this replica yet        the caller's to judge
    400 Directory_ExpiredPageToken        the listing took too long                         begun again by ``entra_graph``
    410, 400 syncStateNotFound            the change tracking ended                         begun again by ``entra_changes``
    any other 4xx                         a wrong address or attribute                      SourceError

Sign-in refusals carry AADSTS numbers; branch on these, never on words.
Sources: https://learn.microsoft.com/en-us/graph/errors, https://learn.microsoft.com/en-us/entra/identity-platform/reference-error-codes
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from syncd.errors import ScopeMissing, SourceError
from syncd.http.answers import ErrorBody, Reply

READ_USERS = "User.Read.All"
READ_GROUPS = "GroupMember.Read.All"
READ_HIDDEN = "Member.Read.Hidden"

#: The least application permission per operation; checkMemberGroups needs both.
PERMISSIONS: Mapping[str, tuple[str, ...]] = {
    "group": (READ_GROUPS,),
    "members": (READ_GROUPS,),
    "groups_delta": (READ_GROUPS,),
    "list_users": (READ_USERS,),
    "user": (READ_USERS,),
    "search": (READ_USERS,),
    "users_delta": (READ_USERS,),
    "member_groups": (READ_USERS, READ_GROUPS),
}

#: Wider permissions that include a needed one.
INCLUDED_IN: Mapping[str, frozenset[str]] = {
    READ_USERS: frozenset({READ_USERS, "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"}),
    READ_GROUPS: frozenset(
        {
            READ_GROUPS,
            "GroupMember.ReadWrite.All",
            "Group.Read.All",
            "Group.ReadWrite.All",
            "Directory.Read.All",
            "Directory.ReadWrite.All",
        }
    ),
    READ_HIDDEN: frozenset({READ_HIDDEN}),
}

GRANT = (
    "In the Entra admin center: App registrations, this app, API permissions, add the application permission {} of "
    "Microsoft Graph, then grant admin consent."
)

_ADDRESS = re.compile(r"[^\s@<>\"'\[\](),;:=]+@[^\s@<>\"'\[\](),;]*[^\s@<>\"'\[\](),;.]")


def without_addresses(text: str) -> str:
    """*text* with every e-mail address in it replaced: messages end in logs that may not hold any."""
    return _ADDRESS.sub("(address)", text)


def read_error(status: int, body: bytes, headers: Mapping[str, str]) -> ErrorBody:
    """Reads Graph's error shape; ``innerError`` is spelled in two ways and may nest. Another shape says nothing."""
    error = _object(_decoded(body).get("error"))
    code, message = error.get("code"), str(error.get("message") or "")
    inner = next((_object(value) for key, value in error.items() if key.lower() == "innererror"), {})
    request_id = inner.get("request-id") or headers.get("request-id")
    words = without_addresses(message)[:300] + (f" (request {request_id})" if request_id else "")
    return ErrorBody(code=code if isinstance(code, str) and code else None, message=words.strip(), token_refused=status == 401)


def is_missing(reply: Reply) -> bool:
    """Graph says that it knows no such object. A bare 404 says no such thing: that may be any server."""
    return reply.status == 404 and reply.error is not None and reply.error.code == "Request_ResourceNotFound"


def refusal(operation: str, reply: Reply) -> SourceError:
    """What to raise for an answer that is neither 2xx nor dealt with before: see the table above."""
    error = reply.error or ErrorBody()
    what = (
        f"graph {operation}: refused with HTTP {reply.status}, {error.code or 'no code'}: {error.message or 'no reason given'}."
    )
    if reply.status == 403:
        return permission_missing(what, *PERMISSIONS.get(operation, ()))
    if reply.status == 404 and not is_missing(reply):
        return SourceError("directory", what, "This is not how Graph answers: check directory.entra.graph_url and the proxy.")
    if reply.status == 400:
        return SourceError(
            "directory",
            what,
            "Check graph_url, and the names in directory.entra.address_attributes and match.person_number (as in Graph's user "
            "resource).",
        )
    return SourceError("directory", what, "The next cycle tries again; if it stays, look the code up in Graph's list of errors.")


def permission_missing(what: str, *permissions: str) -> ScopeMissing:
    """A missing application permission or consent, named with the way to grant it."""
    names = " and ".join(permissions) or f"{READ_USERS} and {READ_GROUPS}"
    return ScopeMissing("directory", what, GRANT.format(names), scope=" ".join(permissions))


def granted(permission: str, roles: Iterable[str] | None) -> bool | None:
    """Whether the token's *roles* include a permission or a wider one; None when the token does not tell."""
    return None if roles is None else not INCLUDED_IN[permission].isdisjoint(roles)


# ------------------------------------------------------------------------------------------------------------ sign-in


@dataclass(frozen=True, slots=True)
class SignInRefusal:
    """What the token service said. *transient*: worth another try within seconds. *trace*: what Microsoft's support asks for."""

    what: str
    do: str
    codes: tuple[int, ...] = ()
    transient: bool = False
    trace: str = ""


_WRONG_VALUE = (
    "Write the value of a client secret (not its id) into the secret file; it is shown once, when it is made under "
    "Certificates & secrets."
)
_EXPIRED = "Make a new client secret under Certificates & secrets and write its value into the secret file."
_WRONG_APP = "Check directory.entra.tenant_id and client_id, and that the app's permissions were consented to in this tenant."
_CERTIFICATE = "Upload the certificate of this key to the app under Certificates & secrets (the certificate only, not the key)."
_ASSERTION_TIME = "Check this machine's clock, and that the federated token file is renewed by the platform."
_FEDERATION = (
    "Make a federated credential of the app with exactly this issuer (mind the slash at its end), subject and "
    "audience; a new one takes some minutes to work."
)
_TENANT = "Check directory.entra.tenant_id, and directory.entra.cloud: the tenant may be in another national cloud."
_CLOUD = "The tenant is in another national cloud: correct directory.entra.cloud."
_DISABLED = "Enable the app: Enterprise applications, this app, Properties, Enabled for users to sign-in."
_POLICY = "A policy of the tenant blocks this app: ask its administrator about conditional access for workload identities."
_PROOF = (
    "The app proved itself in no way that Entra takes: give exactly one of client_secret_file, certificate_file, "
    "federated_token_file and managed_identity, and register the app as a confidential (web) one."
)
_AUDIENCE = (
    "The federated token is for another audience: project it for api://AzureADTokenExchange (national clouds have their own)."
)
_CONSENT = "Grant admin consent: App registrations, this app, API permissions, Grant admin consent."
_NO_PRINCIPAL = (
    "Enable Microsoft Graph, or this app, in the tenant: Enterprise applications, Properties, Enabled for users to sign-in."
)
_ASSIGNED = "The app demands assignment: Enterprise applications, this app, Properties, Assignment required: No."
_RESOURCE = "This tenant does not know this Graph: correct directory.entra.cloud."

#: AADSTS number -> what the operator must do.
ADVICE: Mapping[int, str] = {
    7000215: _WRONG_VALUE,
    7000222: _EXPIRED,
    700016: _WRONG_APP,
    7000229: _WRONG_APP,
    700021: _WRONG_APP,
    700027: _CERTIFICATE,
    700030: _CERTIFICATE,
    700024: _ASSERTION_TIME,
    70021: _FEDERATION,
    700211: _FEDERATION,
    700212: _FEDERATION,
    700213: _FEDERATION,
    7000112: _DISABLED,
    70001: _DISABLED,
    90002: _TENANT,
    900023: _TENANT,
    90038: _CLOUD,
    900382: _CLOUD,
    900432: _CLOUD,
    500011: _RESOURCE,
    650057: _RESOURCE,
    530032: _POLICY,
    53003: _POLICY,
    53000: _POLICY,
    53001: _POLICY,
    530035: _POLICY,
    7000218: _PROOF,
    7000216: _PROOF,
    700025: _PROOF,
    50194: _PROOF,
    700023: _AUDIENCE,
    50027: _ASSERTION_TIME,
    500133: _ASSERTION_TIME,
    65001: _CONSENT,
    650052: _RESOURCE,
    500014: _NO_PRINCIPAL,
    50105: _ASSIGNED,
    50034: _WRONG_APP,
    7000214: _WRONG_VALUE,
}

#: Temporary by Microsoft's own description; 90061: it could not reach the issuer of a federated token; 90055: throttled.
TRANSIENT = frozenset({90033, 90006, 90012, 90024, 90090, 90061, 90055})


def sign_in_refusal(body: Mapping[str, Any], status: int | None = None) -> SignInRefusal:
    """Reads an error answer of the token service (``error``, ``error_description``, ``error_codes``)."""
    description = str(body.get("error_description") or "")
    listed = body.get("error_codes")
    codes = tuple(code for code in listed if isinstance(code, int)) if isinstance(listed, list) else ()
    codes = codes or tuple(int(code) for code in re.findall(r"\bAADSTS(\d+)", description)[:1])
    says = re.split(r"\s*Trace ID:", description)[0].strip().rstrip(".") or str(body.get("error") or "no reason given")
    http = f"HTTP {status}, " if status is not None else ""
    what = f"entra token: refused with {http}{body.get('error') or 'no code'}: {without_addresses(says)[:400]}"
    do = next((ADVICE[code] for code in codes if code in ADVICE), "Check directory.entra.tenant_id, client_id and credential.")
    trace = " ".join(f"{key}={body[key]}" for key in ("trace_id", "correlation_id", "timestamp") if body.get(key))
    return SignInRefusal(what, do, codes, not TRANSIENT.isdisjoint(codes), trace)


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}

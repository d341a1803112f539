"""The token service of a simulated Entra tenant, for app-only sign-in, and a machine's identity endpoint.

    login = SimulatedLogin(tenant, now=now, sleep=sleep)      # GET /{tenant}/v2.0/.well-known/openid-configuration
                                                              # POST /{tenant}/oauth2/v2.0/token
    graph = SimulatedGraph(tenant, now=now, sleep=sleep, tokens=login.tokens)

Libraries insist on https for it: see ``entra_serving``. An app proves itself by secret, by certificate or by the token of an
issuer it trusts; every refusal has the AADSTS number Entra would give. Operations to add faults to: ``discovery``, ``token``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any
from urllib.parse import parse_qsl

from syncd.lab.answers import Answer, as_json
from syncd.lab.entra.apps import EntraApp
from syncd.lab.entra.assertions import BadAssertion, check_certificate, check_federated, parse
from syncd.lab.entra.codes import SignInRefused
from syncd.lab.entra.tenant import CLOUDS, EntraTenant
from syncd.lab.entra.tokens import AccessTokens, Grant, lifetime
from syncd.lab.faults import Fault
from syncd.lab.graph.wire import Call, Refused, Service

TOKEN, DISCOVERY = "token", "discovery"
GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class NotServed(Refused):
    """There is nothing at that address."""

    def answer_to(self, _: Call) -> Answer:
        """404 without a body."""
        return Answer(404)


class SimulatedLogin(Service):
    """One cloud's token service, with one tenant in it. *app* is the registered application; ``apps`` may get more.

    ``refresh_in``: seconds after which a client should renew early (None: not said). ``cloud``: whose service this is; a
    tenant of another cloud is refused.
    """

    def __init__(
        self,
        tenant: EntraTenant,
        *,
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[object]],
        app: EntraApp | None = None,
        tokens: AccessTokens | None = None,
        cloud: str | None = None,
    ) -> None:
        super().__init__(now=now, sleep=sleep)
        self.tenant = tenant
        self.app = app or EntraApp()
        self.apps = [self.app]
        self.tokens = tokens or AccessTokens()
        self.cloud = tenant.cloud if cloud is None else cloud
        self.lifetime = timedelta(hours=1)
        self.refresh_in: int | None = None

    @property
    def resource(self) -> str:
        """Graph's address in the tenant's cloud, for which tokens are given."""
        return CLOUDS[self.tenant.cloud][1]

    def place(self, call: Call) -> None:
        """Finds out which of the two calls it is."""
        head, _, rest = call.path.lstrip("/").partition("/")
        call.target = head
        if (call.method, rest) == ("GET", "v2.0/.well-known/openid-configuration"):
            call.operation = DISCOVERY
        elif (call.method, rest) == ("POST", "oauth2/v2.0/token"):
            call.operation = TOKEN

    async def work(self, call: Call, _: list[Fault]) -> Answer:
        """Discovery or a token. Raises NotServed, SignInRefused."""
        if not call.operation:
            raise NotServed
        if call.target.lower() not in (self.tenant.id.lower(), *map(str.lower, self.tenant.domains)):
            raise SignInRefused(90002, tenant=call.target)
        return self._token(call) if call.operation == TOKEN else self._discovery(call)

    def token_for(self, app: EntraApp, audience: str | None = None, *, good_for: timedelta | None = None) -> str:
        """A token for *app* without any ceremony."""
        now = self.now()
        grant = Grant(app.client_id, self.tenant.id, audience or self.resource, app.roles, now + (good_for or self.lifetime))
        return self.tokens.issue(grant, f"https://sts.windows.net/{self.tenant.id}/", now)

    def _discovery(self, call: Call) -> Answer:
        here = f"{call.base_url}/{call.target}"
        host = CLOUDS[self.cloud][0]
        return as_json(
            {
                "token_endpoint": f"{here}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
                "jwks_uri": f"{here}/discovery/v2.0/keys",
                "response_modes_supported": ["query", "fragment", "form_post"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                # msal checks the issuer against the authority when it is given as an OIDC authority.
                "issuer": f"{call.base_url}/{self.tenant.id}/v2.0",
                "authorization_endpoint": f"{here}/oauth2/v2.0/authorize",
                "device_authorization_endpoint": f"{here}/oauth2/v2.0/devicecode",
                "tenant_region_scope": "EU",
                "cloud_instance_name": host.partition("login.")[2] or host,
                "msgraph_host": self.resource.removeprefix("https://"),
            }
        )

    def _token(self, call: Call) -> Answer:
        form = dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
        if form.get("grant_type") != "client_credentials":
            raise SignInRefused(70003, grant=form.get("grant_type", ""))
        client_id = form.get("client_id", "")
        if not client_id:
            raise SignInRefused(900144, parameter="client_id")
        if self.cloud != self.tenant.cloud and CLOUDS[self.cloud][0] != CLOUDS[self.tenant.cloud][0]:
            raise SignInRefused(900382)
        app = next((app for app in self.apps if app.client_id.lower() == client_id.lower()), None)
        if app is None:
            raise SignInRefused(700016, client=client_id, tenant=call.target)
        call.app = app.client_id
        audience = self._audience(form.get("scope", ""), call.target)
        self._prove(app, form, call)
        if not app.consented:
            raise SignInRefused(7000229, client=client_id, tenant=self.tenant.id)
        if not app.enabled:
            raise SignInRefused(7000112, client=client_id)
        seconds = lifetime(call.at, call.at + self.lifetime)
        body: dict[str, Any] = {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds}
        if self.refresh_in is not None:
            body["refresh_in"] = self.refresh_in
        return as_json({**body, "access_token": self.token_for(app, audience)})

    def _audience(self, scope: str, tenant: str) -> str:
        if not scope.endswith("/.default") or " " in scope:
            raise SignInRefused(1002012, scope=scope)
        resource = scope.removesuffix("/.default")
        if resource not in (self.resource, f"{self.resource}/", GRAPH_APP_ID):
            raise SignInRefused(500011, resource=resource, tenant=tenant)
        return resource

    def _prove(self, app: EntraApp, form: dict[str, str], call: Call) -> None:
        """Raises SignInRefused unless the form proves that *app* asks."""
        if "client_secret" in form:
            self._secret(app, form["client_secret"], call)
            return
        if "client_assertion" not in form or form.get("client_assertion_type") != _ASSERTION_TYPE:
            raise SignInRefused(7000218)
        here, known = f"{call.base_url}/{call.target}", f"{call.base_url}/{self.tenant.id}"
        audiences = (f"{here}/oauth2/v2.0/token", f"{here}/v2.0", f"{known}/v2.0")
        try:
            assertion = parse(form["client_assertion"])
            if {"x5t", "x5t#S256", "x5c"} & assertion.header.keys() or assertion.claims.get("iss") == app.client_id:
                check_certificate(assertion, app.certificates, app.client_id, audiences, call.at)
            else:
                check_federated(assertion, app.federated, call.at)
        except BadAssertion as bad:
            raise SignInRefused(bad.code, bad.says) from None

    def _secret(self, app: EntraApp, given: str, call: Call) -> None:
        known = next((secret for secret in app.secrets if compare_digest(secret.value.encode(), given.encode())), None)
        if known is None:
            raise SignInRefused(7000215, client=app.client_id)
        if known.expires_at is not None and known.expires_at <= call.at:
            raise SignInRefused(7000222, client=app.client_id)


class SimulatedIdentity(Service):
    """A virtual machine's identity endpoint (IMDS), plain http: ``GET /metadata/identity/oauth2/token``.

    *system* is the machine's own identity (None: it has none), *assigned* those that were given to it, named by client id.
    Operation: ``identity``.
    """

    def __init__(
        self,
        login: SimulatedLogin,
        *,
        system: EntraApp | None = None,
        assigned: tuple[EntraApp, ...] = (),
    ) -> None:
        super().__init__(now=login.now, sleep=login.pause)
        self.login = login
        self.system = system
        self.assigned = assigned
        self.lifetime = timedelta(hours=24)

    def place(self, call: Call) -> None:
        """There is one call."""
        if (call.method, call.path) == ("GET", "/metadata/identity/oauth2/token"):
            call.operation = "identity"

    async def work(self, call: Call, _: list[Fault]) -> Answer:
        """A token of one of the machine's identities. Raises NotServed, IdentityRefused."""
        if not call.operation:
            raise NotServed
        if call.headers.get("metadata", "").lower() != "true" or "x-forwarded-for" in call.headers:
            raise IdentityRefused("Required metadata header not specified")
        if "api-version" not in call.query or "resource" not in call.query:
            raise IdentityRefused("Required query variable 'resource' or 'api-version' is missing")
        app = self._identity(call.query)
        if app is None:
            raise IdentityRefused("Identity not found")
        resource = call.query["resource"]
        if resource.rstrip("/") != self.login.resource:
            raise IdentityRefused(
                f"AADSTS500011: The resource principal named {resource} was not found in the tenant named "
                f"{self.login.tenant.id}.",
                "invalid_resource",
            )
        call.app = app.client_id
        seconds, start = int(self.lifetime.total_seconds()), int(call.at.timestamp())
        return as_json(
            {
                "access_token": self.login.token_for(app, resource, good_for=self.lifetime),
                "client_id": app.client_id,
                "expires_in": str(seconds),
                "expires_on": str(start + seconds),
                "ext_expires_in": str(seconds),
                "not_before": str(start),
                "resource": resource,
                "token_type": "Bearer",
            }
        )

    def _identity(self, query: dict[str, str]) -> EntraApp | None:
        wanted = query.get("client_id")
        if wanted is None:
            return self.system or (self.assigned[0] if len(self.assigned) == 1 else None)
        return next((app for app in self.assigned if app.client_id.lower() == wanted.lower()), None)


class IdentityRefused(Refused):
    """The identity endpoint says no."""

    def __init__(self, says: str, error: str = "invalid_request") -> None:
        super().__init__(says)
        self.says = says
        self.error = error

    def answer_to(self, _: Call) -> Answer:
        """The error body."""
        return as_json({"error": self.error, "error_description": self.says}, 400)

"""App registrations: by what an application may prove who it is, and which application permissions it was granted."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from syncd.lab.entra.assertions import FederatedCredential
from syncd.lab.entra.objects import guid

#: What syncd needs, and no more (plus Member.Read.Hidden for a group that hides its members).
LEAST_ROLES = frozenset({"GroupMember.Read.All", "User.Read.All"})


@dataclass(frozen=True, slots=True)
class AppSecret:
    """A client secret. *expires_at* None: in two years and more."""

    value: str = field(repr=False)
    expires_at: datetime | None = None
    name: str = "syncd"

    @property
    def key_id(self) -> str:
        """The secret's id, which people paste by mistake instead of its value."""
        return guid(f"secret {self.value}")


@dataclass
class EntraApp:
    """One application. Everything may be changed while it runs; *roles* reach a client with its next token.

    *consented* False: no service principal in the tenant, nobody ever granted anything.
    """

    client_id: str = guid("app syncd")
    display_name: str = "syncd"
    secrets: tuple[AppSecret, ...] = (AppSecret("lab-entra-secret"),)
    certificates: tuple[str, ...] = ()  # PEM, certificates only
    federated: tuple[FederatedCredential, ...] = ()
    roles: frozenset[str] = LEAST_ROLES
    enabled: bool = True
    consented: bool = True

    @property
    def object_id(self) -> str:
        """The id of the registration, which is not the client id."""
        return guid(f"registration {self.client_id}")

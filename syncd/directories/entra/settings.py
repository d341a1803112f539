"""What the operator says about the tenant, as the adapter needs it. Built from the configuration by ``app``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from syncd.errors import ConfigError
from syncd.model import GroupUse
from syncd.ports import ReadSecret


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A client secret: its value, not its id."""

    read: ReadSecret = field(repr=False)


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM text with a private key and its certificate."""

    read: ReadSecret = field(repr=False)


@dataclass(frozen=True, slots=True)
class FederatedToken:
    """A token that another issuer gave this workload; read anew for every request, since it changes every hour."""

    read: ReadSecret = field(repr=False)


@dataclass(frozen=True, slots=True)
class ManagedIdentity:
    """The identity of the machine. *client_id* None: the system-assigned one."""

    client_id: str | None = None


Credential = ClientSecret | Certificate | FederatedToken | ManagedIdentity


@dataclass(frozen=True, slots=True)
class Cloud:
    """Where one of Microsoft's clouds is found. Tokens of one are worth nothing in another."""

    authority: str
    graph: str


#: Source: https://learn.microsoft.com/en-us/graph/deployments
CLOUDS: Mapping[str, Cloud] = {
    "public": Cloud("https://login.microsoftonline.com", "https://graph.microsoft.com"),
    "us_gov": Cloud("https://login.microsoftonline.us", "https://graph.microsoft.us"),
    "us_dod": Cloud("https://login.microsoftonline.us", "https://dod-graph.microsoft.us"),
    "china": Cloud("https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn"),
}

#: How Graph spells the attributes that may hold addresses; answers use this spelling whatever was asked.
_SPELLED = {
    name.lower(): name
    for name in (
        "mail",
        "userPrincipalName",
        "proxyAddresses",
        "otherMails",
        "imAddresses",
        "employeeId",
        "onPremisesSamAccountName",
        *(f"extensionAttribute{number}" for number in range(1, 16)),
    )
}


@dataclass(frozen=True, slots=True)
class EntraSettings:
    """The section ``directory.entra``, and ``protect.directory_groups`` as *protecting_groups*.

    Groups are object ids or unique display names. *client_id* may be missing with a managed identity only. *ca_file* None:
    the system's trust. *person_number*: the attribute that holds match.person_number, "" for none. *with_managers*: who manages
    whom is asked for, too. *total_timeout_seconds* bounds one read as a whole; *whole_read_every_seconds* is how long change
    tracking may stand in for a whole read. Guests are read like everybody; whether one may be entitled is the policy's.
    """

    tenant_id: str
    credential: Credential
    groups: tuple[str, ...]
    client_id: str | None = None
    leaver_groups: tuple[str, ...] = ()
    protecting_groups: tuple[str, ...] = ()
    holding_groups: tuple[str, ...] = ()
    cloud: str = "public"
    authority_url: str | None = None
    graph_url: str | None = None
    ca_file: str | None = None
    proxy: str | None = None
    nested: bool = True
    address_attributes: tuple[str, ...] = ("mail", "userPrincipalName", "proxyAddresses")
    person_number: str = ""
    with_managers: bool = False
    concurrency: int = 8
    max_wait_seconds: float = 120.0
    connect_timeout_seconds: float = 5.0
    read_timeout_seconds: float = 30.0
    total_timeout_seconds: float = 1800.0
    whole_read_every_seconds: float = 4 * 3600.0
    max_clock_skew_seconds: float = 300.0

    def __post_init__(self) -> None:
        if self.client_id is None and not isinstance(self.credential, ManagedIdentity):
            raise ConfigError("directory.entra.client_id is needed", do="Write the application's client id there.")
        spelled = tuple(dict.fromkeys(_SPELLED.get(name.lower(), name) for name in self.address_attributes))
        object.__setattr__(self, "address_attributes", spelled)
        object.__setattr__(self, "person_number", _SPELLED.get(self.person_number.lower(), self.person_number))

    @property
    def authority(self) -> str:
        """The sign-in address with the tenant: what msal calls the authority."""
        base = self.authority_url or CLOUDS[self.cloud].authority
        return f"{base.rstrip('/')}/{self.tenant_id.strip('/')}"

    @property
    def graph(self) -> str:
        """The address of Graph with its version."""
        return (self.graph_url or f"{CLOUDS[self.cloud].graph}/v1.0").rstrip("/")

    @property
    def resource(self) -> str:
        """What tokens are for: the cloud's Graph, whatever address stands in for it."""
        return CLOUDS[self.cloud].graph

    @property
    def authority_host(self) -> str:
        """For messages."""
        return urlsplit(self.authority).netloc

    def configured(self) -> Iterator[tuple[GroupUse, str]]:
        """Every configured group with its use, in the order of the file."""
        for use, names in (
            (GroupUse.ENTITLING, self.groups),
            (GroupUse.LEAVERS, self.leaver_groups),
            (GroupUse.PROTECTING, self.protecting_groups),
            (GroupUse.HOLDING, self.holding_groups),
        ):
            for name in names:
                yield use, name

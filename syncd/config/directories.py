"""The three directories a configuration may name, exactly one of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, WithJsonSchema, model_validator

from syncd.config.places import AuthorityUrl, CaFile, LdapUrl, PresentFile, ReadPath, ServiceUrl, Surroundings
from syncd.config.section import OptionalSecret, Secret, SecretKeys, Section
from syncd.config.values import (
    AttributeName,
    DistinguishedName,
    Guid,
    List,
    ManagedIdentity,
    OneOrMany,
    TenantId,
    Text,
    Time,
    duration,
)

#: Where the identity token of a workload is when nobody says (the Azure workload identity webhook sets it).
FEDERATED_TOKEN_VARIABLE = "AZURE_FEDERATED_TOKEN_FILE"  # noqa: S105 (a variable's name)

_ADDRESSES = ("mail", "userPrincipalName", "proxyAddresses")
_ONE_OR_MANY_TEXTS = WithJsonSchema(
    {"anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
)
_LEAVERS = "Groups of leavers: whoever is in one is not entitled, whatever else they are in."


class SimpleBind(Section):
    """A user's name and password."""

    user: Text = Field(examples=["svc-syncd@corp.example"], description="Name to bind with: user@domain, DOMAIN\\user or a DN.")
    password: Annotated[Secret, SecretKeys("password")] = Field(description="The password of that user.")


class KerberosBind(Section):
    """A keytab. Needs the extra syncd[kerberos]."""

    principal: Text = Field(examples=["svc-syncd@CORP.EXAMPLE"], description="Principal in the keytab.")
    keytab_file: PresentFile = Field(examples=["/run/secrets/svc.keytab"], description="Path of the keytab.")


class Bind(Section):
    """How to sign in to the domain controllers: exactly one of the two."""

    simple: SimpleBind | None = Field(None, description="With a name and a password.")
    kerberos: KerberosBind | None = Field(None, description="With Kerberos and a keytab.")


class ActiveDirectory(Section):
    """Active Directory over LDAP."""

    servers: Annotated[tuple[LdapUrl, ...], List] = Field(
        min_length=1,
        examples=[["ldaps://dc1.corp.example"]],
        description="Domain controllers in order; the next one when one cannot be reached or read.",
    )
    start_tls: bool = Field(False, description="Encrypt ldap:// with StartTLS before signing in.")
    allow_plaintext: bool = Field(
        False, description="Accept ldap:// without start_tls: the password then travels readable by anybody on the way."
    )
    ca_file: CaFile | None = Field(
        None, description="CA certificates (PEM); null: the system's. The host name is always checked."
    )
    bind: Bind = Field(description="How to sign in.")
    base_dn: Annotated[tuple[DistinguishedName, ...], OneOrMany, _ONE_OR_MANY_TEXTS] = Field(
        min_length=1,
        examples=["DC=corp,DC=example"],
        description="One DN or a list: where people are listed. Whoever is in a group is a person, below them or not.",
    )
    unresolved_members: Literal["refuse", "unknown"] = Field(
        "refuse", description="A member that cannot be looked up: refuse the read, or call nobody absent (unknown)."
    )
    foreign_members: Literal["refuse", "unknown", "elsewhere"] = Field(
        "refuse",
        description="A member from another forest: refuse the read, call nobody absent (unknown), or leave them to "
        "another instance (elsewhere).",
    )
    groups: Annotated[tuple[Text, ...], List] = Field(
        min_length=1, examples=[["Zoom Users"]], description="Groups that entitle to Zoom: DN, sAMAccountName or objectGUID."
    )
    leaver_groups: Annotated[tuple[Text, ...], List] = Field((), description=_LEAVERS)
    nested: bool = Field(True, description="Follow groups within groups.")
    address_attributes: Annotated[tuple[AttributeName, ...], List] = Field(
        _ADDRESSES, min_length=1, description="Attributes that hold a person's e-mail addresses, the main one first."
    )
    # 20,000 is the most a domain controller can be made to give in one page (LDAP policy MaxPageSize; 1,000 by default).
    page_size: int = Field(1000, ge=1, le=20_000, description="Entries asked for per page.")
    connect_timeout: Time = Field(duration("5s"), description="Longest wait for a connection, TLS included.")
    read_timeout: Time = Field(duration("30s"), description="Longest wait for one answer.")


class EntraCredential(Section):
    """How syncd proves who it is to Entra: exactly one, or none where the platform gives a federated token."""

    client_secret: Annotated[OptionalSecret, SecretKeys("client_secret")] = Field(None, description="Client secret.")
    certificate: Annotated[OptionalSecret, SecretKeys("certificate")] = Field(None, description="PEM with key and certificate.")
    federated_token: Annotated[OptionalSecret, SecretKeys("federated_token")] = Field(
        None, description=f"Token of a workload; without any credential key ${FEDERATED_TOKEN_VARIABLE} names its file."
    )
    managed_identity: ManagedIdentity | None = Field(
        None, description="system, or the client id of a user-assigned managed identity."
    )


class Entra(Section):
    """Microsoft Entra ID over Microsoft Graph."""

    tenant_id: TenantId = Field(
        examples=["00000000-0000-0000-0000-000000000000"], description="The tenant's GUID, or one of its domains."
    )
    client_id: Guid | None = Field(None, description="The application's client id; needed unless managed_identity is used.")
    credential: EntraCredential = Field(EntraCredential(), description="How syncd proves who it is.")
    cloud: Literal["public", "us_gov", "us_dod", "china"] = Field("public", description="Which Microsoft cloud.")
    authority_url: AuthorityUrl | None = Field(None, description="Sign-in address instead of the cloud's; no tenant.")
    graph_url: ServiceUrl | None = Field(None, description="Graph address instead of the cloud's, with its version.")
    ca_file: CaFile | None = Field(None, description="CA certificates (PEM); null: the system's.")
    groups: Annotated[tuple[Text, ...], List] = Field(
        min_length=1, examples=[["Zoom Users"]], description="Groups that entitle to Zoom: object id or unique display name."
    )
    leaver_groups: Annotated[tuple[Text, ...], List] = Field((), description=_LEAVERS)
    nested: bool = Field(True, description="Follow groups within groups.")
    guests: bool = Field(False, description="Whether guests may be entitled; false: found, but not entitled.")
    address_attributes: Annotated[tuple[AttributeName, ...], List] = Field(
        _ADDRESSES, min_length=1, description="Attributes that hold a person's e-mail addresses, the main one first."
    )

    @model_validator(mode="before")
    @classmethod
    def _token_of_the_platform(cls, given: Any, info: ValidationInfo) -> Any:
        """No credential key at all: the file that the platform names."""
        around = info.context
        if isinstance(given, dict) and not given.get("credential") and isinstance(around, Surroundings):
            token = around.env.get(FEDERATED_TOKEN_VARIABLE, "")
            return {**given, "credential": {"federated_token_file": token} if token else {}}
        return given


class FileDirectory(Section):
    """A CSV or YAML file."""

    path: ReadPath = Field(examples=["people.csv"], description="The file with the people.")
    groups: Annotated[tuple[Text, ...], List] = Field(
        (), description="Groups that entitle to Zoom; empty: everybody in the file."
    )
    leaver_groups: Annotated[tuple[Text, ...], List] = Field((), description=_LEAVERS)
    max_age: Time | None = Field(None, description="An older file is unreadable; null: any age.")


class Directory(Section):
    """Where people are: exactly one of the three."""

    active_directory: ActiveDirectory | None = Field(None, description="Active Directory over LDAP.")
    entra: Entra | None = Field(None, description="Microsoft Entra ID.")
    file: FileDirectory | None = Field(None, description="A CSV or YAML file.")

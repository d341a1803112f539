"""What lies in an Entra tenant: users, groups, devices, contacts and service principals, as Microsoft Graph names their fields.

Values only. A field is spelled ``user_principal_name`` here and ``userPrincipalName`` on the wire; None means "never set".
Ids are GUIDs made from names, so the same company always has the same ids.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

USER, GROUP, DEVICE = "#microsoft.graph.user", "#microsoft.graph.group", "#microsoft.graph.device"
CONTACT, SERVICE_PRINCIPAL = "#microsoft.graph.orgContact", "#microsoft.graph.servicePrincipal"
MEMBER, GUEST = "Member", "Guest"
HIDDEN = "HiddenMembership"

_LONG_AGO = datetime(2021, 2, 1, 8, tzinfo=UTC)


class EntraUser(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A user. *account_enabled* and everything below it is told only to whoever selects it."""

    id: str
    display_name: str | None = None
    given_name: str | None = None
    surname: str | None = None
    mail: str | None = None
    user_principal_name: str
    job_title: str | None = None
    mobile_phone: str | None = None
    business_phones: tuple[str, ...] = ()
    office_location: str | None = None
    preferred_language: str | None = None
    account_enabled: bool = True
    user_type: str | None = MEMBER
    proxy_addresses: tuple[str, ...] = ()
    other_mails: tuple[str, ...] = ()
    mail_nickname: str | None = None
    department: str | None = None
    company_name: str | None = None
    employee_id: str | None = None
    employee_type: str | None = None
    created_date_time: datetime | None = _LONG_AGO
    creation_type: str | None = None
    external_user_state: str | None = None
    on_premises_sam_account_name: str | None = None
    on_premises_immutable_id: str | None = None
    on_premises_sync_enabled: bool | None = None
    on_premises_distinguished_name: str | None = None
    identities: tuple[dict[str, str], ...] = ()
    usage_location: str | None = None
    deleted_date_time: datetime | None = None

    @property
    def kind(self) -> str:
        """The ``@odata.type``."""
        return USER


class EntraGroup(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A group. Who is in it stands in the tenant. *visibility* HIDDEN hides its members."""

    id: str
    display_name: str | None = None
    description: str | None = None
    mail: str | None = None
    mail_enabled: bool = False
    mail_nickname: str | None = None
    security_enabled: bool = True
    group_types: tuple[str, ...] = ()  # ("Unified",): Microsoft 365; ("DynamicMembership",): by a rule
    visibility: str | None = None
    is_assignable_to_role: bool | None = None
    membership_rule: str | None = None
    membership_rule_processing_state: str | None = None  # "On" or "Paused"
    created_date_time: datetime | None = _LONG_AGO
    deleted_date_time: datetime | None = None
    proxy_addresses: tuple[str, ...] = ()
    on_premises_sync_enabled: bool | None = None
    on_premises_last_sync_date_time: datetime | None = None
    on_premises_sam_account_name: str | None = None
    on_premises_security_identifier: str | None = None
    on_premises_provisioning_errors: tuple[dict[str, Any], ...] = ()
    service_provisioning_errors: tuple[dict[str, Any], ...] = ()
    security_identifier: str | None = None

    @property
    def kind(self) -> str:
        """The ``@odata.type``."""
        return GROUP

    @property
    def hidden(self) -> bool:
        """Whether its members are shown only to whoever has Member.Read.Hidden."""
        return self.visibility == HIDDEN

    @property
    def unified(self) -> bool:
        """Whether it is a Microsoft 365 group, which holds no other groups."""
        return "Unified" in self.group_types


class EntraDevice(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A device."""

    id: str
    display_name: str | None = None
    account_enabled: bool | None = True
    device_id: str | None = None
    operating_system: str | None = "Windows"
    operating_system_version: str | None = "10.0.26100"
    deleted_date_time: datetime | None = None

    @property
    def kind(self) -> str:
        """The ``@odata.type``."""
        return DEVICE


class EntraContact(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Somebody outside with a mail address and no account."""

    id: str
    display_name: str | None = None
    given_name: str | None = None
    surname: str | None = None
    mail: str | None = None
    proxy_addresses: tuple[str, ...] = ()
    company_name: str | None = None
    deleted_date_time: datetime | None = None

    @property
    def kind(self) -> str:
        """The ``@odata.type``."""
        return CONTACT


class EntraServicePrincipal(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An application's identity in the tenant."""

    id: str
    display_name: str | None = None
    account_enabled: bool | None = True
    app_id: str | None = None
    service_principal_type: str | None = "Application"
    deleted_date_time: datetime | None = None

    @property
    def kind(self) -> str:
        """The ``@odata.type``."""
        return SERVICE_PRINCIPAL


Thing = EntraUser | EntraGroup | EntraDevice | EntraContact | EntraServicePrincipal

#: What a user list shows when nothing is selected.
USER_DEFAULTS = (
    "id",
    "businessPhones",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
)


def names_of(type_: type[Thing]) -> dict[str, str]:
    """The fields of a type, wire name -> attribute."""
    return {field.encode_name: field.name for field in msgspec.structs.fields(type_)}


#: Wire name -> attribute, per ``@odata.type``.
FIELDS: dict[str, dict[str, str]] = {
    USER: names_of(EntraUser),
    GROUP: names_of(EntraGroup),
    DEVICE: names_of(EntraDevice),
    CONTACT: names_of(EntraContact),
    SERVICE_PRINCIPAL: names_of(EntraServicePrincipal),
}


# ------------------------------------------------------------------------------------------------------------- makers


def guid(text: str) -> str:
    """A GUID that belongs to *text*."""
    return str(UUID(bytes=hashlib.blake2b(text.encode(), digest_size=16).digest(), version=4))


def a_person(address: str, **fields: Any) -> EntraUser:
    """A member of the tenant with *address* as UPN, mail and primary proxy address; *fields* replace what is made up."""
    local = address.partition("@")[0]
    made: dict[str, Any] = {
        "id": guid(f"user {address.lower()}"),
        "user_principal_name": address,
        "mail": address,
        "mail_nickname": local,
        "proxy_addresses": (f"SMTP:{address}",),
        "display_name": local.replace(".", " ").title(),
        "usage_location": "PT",
    }
    return EntraUser(**{**made, **fields})


def a_guest(address: str, tenant_domain: str = "corpexample.onmicrosoft.com", **fields: Any) -> EntraUser:
    """Somebody invited: their own address is in *mail*, the UPN is ``alias_hisdomain#EXT#@tenant``."""
    made: dict[str, Any] = {
        "user_type": GUEST,
        "user_principal_name": f"{address.replace('@', '_')}#EXT#@{tenant_domain}",
        "creation_type": "Invitation",
        "external_user_state": "Accepted",
        "other_mails": (address,),
    }
    return a_person(address, **{**made, **fields})


def a_group(name: str, **fields: Any) -> EntraGroup:
    """A security group of that display name."""
    made: dict[str, Any] = {"id": guid(f"group {name}"), "display_name": name, "mail_nickname": name.replace(" ", "").lower()}
    return EntraGroup(**{**made, **fields})


def a_unified_group(name: str, mail: str, **fields: Any) -> EntraGroup:
    """A Microsoft 365 group."""
    made: dict[str, Any] = {
        "group_types": ("Unified",),
        "mail_enabled": True,
        "security_enabled": False,
        "mail": mail,
        "visibility": "Public",
        "proxy_addresses": (f"SMTP:{mail}",),
    }
    return a_group(name, **{**made, **fields})


def a_device(name: str, **fields: Any) -> EntraDevice:
    """A device of that name."""
    return EntraDevice(**{"id": guid(f"device {name}"), "display_name": name, "device_id": guid(f"deviceId {name}"), **fields})


def a_contact(mail: str, **fields: Any) -> EntraContact:
    """A contact with that address."""
    return EntraContact(
        **{
            "id": guid(f"contact {mail}"),
            "display_name": mail.partition("@")[0],
            "mail": mail,
            "proxy_addresses": (f"SMTP:{mail}",),
            **fields,
        }
    )


def a_service_principal(name: str, **fields: Any) -> EntraServicePrincipal:
    """An application of that name."""
    return EntraServicePrincipal(**{"id": guid(f"sp {name}"), "display_name": name, "app_id": guid(f"app {name}"), **fields})

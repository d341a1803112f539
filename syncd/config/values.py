"""The kinds of value a configuration holds: durations, percentages, names, domains, addresses, times to run.

Each kind is a type for a pydantic model. A wrong value is a ``Fault`` that says what is wrong and what to write instead.
A value is repeated in a fault only where it cannot be a secret.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

from syncd.config.cron import cron_fault
from syncd.model import domain_key


class Fault(ValueError):
    """One value is wrong: *what*, and what to *do*. *key* blames a neighbouring key instead of the one judged."""

    def __init__(self, what: str, do: str = "", key: str = "") -> None:
        super().__init__(what)
        self.what, self.do, self.key = what, do, key


def shown(value: object) -> str:
    """A value as its author would recognise it, shortened."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}..."'
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, dict):
        return "a section (key: value)"
    return "nothing" if value is None else str(value)


# ------------------------------------------------------------------------------------------------- durations, percent

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(0|[1-9][0-9]{0,9})([smhd])")
# Beyond ten years it is a slip of the pen, and dates that far away cannot be computed with.
_LONGEST = timedelta(days=3650)


def duration(value: object) -> timedelta:
    """``30s``, ``15m``, ``24h``, ``30d``: a whole number and one unit. Raises Fault."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        raise Fault(f"{value} has no unit", f"write {abs(value)}s, {abs(value)}m, {abs(value)}h or {abs(value)}d")
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise Fault(f"{shown(value)} is not a duration", "write a whole number and a unit: 30s, 15m, 24h or 30d")
    seconds = int(found[1]) * _UNITS[found[2]]
    if seconds > _LONGEST.total_seconds():
        raise Fault(f"{value} is longer than {spelled(_LONGEST)}", "write a shorter one")
    return timedelta(seconds=seconds)


def spelled(value: timedelta) -> str:
    """A duration as the configuration would write it, in the largest unit that divides it."""
    seconds = int(value.total_seconds())
    if seconds == _UNITS["d"]:
        return "24h"  # as people say it
    return next((f"{seconds // size}{unit}" for unit, size in reversed(_UNITS.items()) if seconds % size == 0 and seconds), "0s")


def _some_time(value: timedelta) -> timedelta:
    if not value:
        raise Fault("0s is too short", "write 1s or more")
    return value


_DURATION_SCHEMA = WithJsonSchema(
    {"type": "string", "pattern": f"^{_DURATION.pattern}$", "examples": ["30s", "15m", "24h", "30d"]}
)
_SPELLED = PlainSerializer(spelled, return_type=str, when_used="json")
Duration = Annotated[timedelta, BeforeValidator(duration), _DURATION_SCHEMA, _SPELLED]
#: A duration that may not be ``0s``.
Time = Annotated[timedelta, AfterValidator(_some_time), BeforeValidator(duration), _DURATION_SCHEMA, _SPELLED]


def percent(value: object) -> float:
    """``50%`` or ``50``, from 0 to 100. Raises Fault."""
    number = value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?\s?%", value):
        number = float(value.rstrip("% "))
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise Fault(f"{shown(value)} is not a percentage", "write a number such as 5 or 50%")
    if not 0 <= number <= 100:
        raise Fault(f"{value} is not between 0 and 100", "write a percentage from 0 to 100")
    return float(number)


def share(value: object) -> float:
    """A percentage above 0. A bare ``0.5`` is refused: it would mean half of one percent. Raises Fault."""
    number = percent(value)
    if number == 0:
        raise Fault("0 leaves syncd nothing to work with", "write more than 0%, for example 50%")
    if number < 1 and not isinstance(value, str):
        raise Fault(f"{value} would mean {value} percent", f"write {number * 100:g}% or {value}%")
    return number


_PERCENT_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,9})?\s?%$"
Percent = Annotated[
    float,
    BeforeValidator(percent),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 0, "maximum": 100}, {"type": "string", "pattern": _PERCENT_PATTERN}]}
    ),
]
Share = Annotated[
    float,
    BeforeValidator(share),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "minimum": 1, "maximum": 100}, {"type": "string", "pattern": _PERCENT_PATTERN}]}
    ),
]


# ------------------------------------------------------------------------------------------------------ text and lists


def text_of(value: object) -> str:
    """The value, if it is text. Raises Fault: YAML reads ``0123`` and ``1e3`` as numbers, which lose their look."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise Fault(f"{value} is a number, not text", f'put it in quotes: "{value}"')
    if not isinstance(value, str):
        raise Fault(f"must be text, not {shown(value)}", "write a word, in quotes if it holds special characters")
    text = value.strip()
    if not text:
        raise Fault("is empty", "write a value, or remove the key")
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise Fault("holds a control character or a line end", "write it on one line")
    return text


def _as_tuple(value: object) -> object:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, tuple):
        return value
    if value is None:
        raise Fault("has no value", "write [] for an empty list, or remove the key")
    raise Fault(f"must be a list, not {shown(value)}", "write [first, second], or one line  - value  for each")


def _one_or_many(value: object) -> object:
    return (value,) if isinstance(value, str) else _as_tuple(value)


Text = Annotated[str, BeforeValidator(text_of)]
List = BeforeValidator(_as_tuple)
OneOrMany = BeforeValidator(_one_or_many)


def _matching(pattern: str, what: str, do: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise Fault(f"{shown(value)} {what}", do)
        return value

    return AfterValidator(check)


_GUID = r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_GUID_LIKE = "such as 00000000-0000-0000-0000-000000000000"
Guid = Annotated[Text, _matching(_GUID, "is not an id of Entra", f"write the GUID the portal shows, {_GUID_LIKE}")]
#: A tenant's GUID or one of its domains. ``common`` and ``organizations`` name no tenant, so they have no place here.
TenantId = Annotated[
    Text,
    _matching(
        rf"{_GUID}|[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", "names no tenant", f"write the tenant's GUID, {_GUID_LIKE}, or its domain"
    ),
]
ManagedIdentity = Annotated[
    Text,
    _matching(rf"system|{_GUID}", "is not a managed identity", "write system, or the client id (a GUID) of a user-assigned one"),
]
AttributeName = Annotated[Text, _matching(r"[A-Za-z][A-Za-z0-9-]*", "is not an attribute's name", "write a name such as mail")]
#: Only that it looks like one: escapes and the directory's own rules are the directory's to judge.
DistinguishedName = Annotated[
    Text, _matching(r"[A-Za-z0-9.-]+\s*=.+", "is not a distinguished name", "write one such as DC=corp,DC=example")
]
KubernetesName = Annotated[
    Text,
    _matching(
        r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", "is not a Kubernetes name", "write small letters, digits and -, such as syncd"
    ),
]


def _domain(value: str) -> str:
    name = domain_key(value)
    if name is None or "." not in name:
        raise Fault(f"{shown(value)} is not a domain", "write one such as corp.example, without @")
    return name


def _domain_or_below(value: str) -> str:
    if value.startswith("*."):
        try:
            return "*." + _domain(value[2:])
        except Fault:
            pass
    elif "*" not in value:
        return _domain(value)
    raise Fault(f"{shown(value)} is not a domain", 'write corp.example, or "*.corp.example" for its subdomains')


def _address(value: str) -> str:
    local, at, host = value.rpartition("@")
    if not (local and at and "." in (domain_key(host) or "")) or re.search(r"[\s*@]", local):
        raise Fault(f"{shown(value)} is not an e-mail address", "write one such as ann@corp.example")
    return value


def _address_or_pattern(value: str) -> str:
    if re.search(r"\s", value) or not ("*" in value or "?" in value or re.fullmatch(r"[^@]+@[^@]+", value)):
        raise Fault(f"{shown(value)} can match no address", 'write ann@corp.example or "svc-*@corp.example"')
    return value


def _ordinary_role(value: str) -> str:
    if value.casefold() in {"owner", "admin"}:
        raise Fault(f"{value} can never be deactivated through Zoom's API", "remove it: this role is always protected")
    return value


def _cron(value: str) -> str:
    fault = cron_fault(value)
    if fault:
        raise Fault(
            f"{shown(value)} is not a cron expression: {fault}",
            'write minute, hour, day, month and weekday, such as "*/15 6-20 * * 1-5"',
        )
    return value


def _timezone(value: str) -> str:
    if value != "UTC":  # known even where the machine has no time zone data
        try:
            ZoneInfo(value)
        except (LookupError, ValueError, OSError):
            raise Fault(f"{shown(value)} is no time zone this machine knows", "write UTC or, say, Europe/Berlin") from None
    return value


Domain = Annotated[Text, AfterValidator(_domain)]
DomainOrBelow = Annotated[Text, AfterValidator(_domain_or_below)]
Address = Annotated[Text, AfterValidator(_address)]
AddressOrPattern = Annotated[Text, AfterValidator(_address_or_pattern)]
OrdinaryRole = Annotated[Text, AfterValidator(_ordinary_role)]
Cron = Annotated[Text, AfterValidator(_cron)]
Timezone = Annotated[Text, AfterValidator(_timezone)]

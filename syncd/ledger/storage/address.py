"""The address of a PostgreSQL database as people write it, taken apart for the driver."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote

from syncd.errors import ConfigError

#: scheme://user:password@host:port/database?key=value. A password may hold whatever is no @.
_ADDRESS = re.compile(
    r"postgres(?:ql)?(?:\+\w+)?://(?:(?P<user>[^:/@]*)(?::(?P<password>[^@]*))?@)?(?P<host>\[[^\]/?]+\]|[^/:?@]+)?(?::(?P<port>[^/?]*))?"
    r"/(?P<dbname>[^?]+)(?:\?(?P<query>.*))?",
    re.IGNORECASE,
)


def address_of(url: str) -> dict[str, str]:
    """What an address says to the driver. Raises ConfigError (which never shows the address: it may hold a password)."""
    found = _ADDRESS.fullmatch(url)
    parts = {name: value for name, value in found.groupdict().items() if value} if found else {}
    query = parts.pop("query", "")
    if "dbname" not in parts or not parts.get("port", "1").isdigit():
        raise ConfigError(
            "ledger.url: not a PostgreSQL address",
            do="Write postgresql://user:password@host/database, best in a file named by ledger.url_file.",
        )
    for name in ("user", "password"):
        if name in parts:
            parts[name] = unquote(parts[name])
    parts["host"] = parts.get("host", "").strip("[]")
    asked = parse_qsl(query, keep_blank_values=True)
    if hosts := [value.partition(":")[::2] if ":" in value else (value, "") for name, value in asked if name == "host"]:
        parts["host"], parts["port"] = (",".join(each) for each in zip(*hosts, strict=True))  # several: tried in turn
    parts |= {name: value for name, value in asked if name != "host"}
    return {name: value for name, value in parts.items() if value.strip(",")}

"""The same small company in every kind of directory, so that one suite can judge all of them.

    ann   in zoom                      dan   in zoom, disabled
    bob   in sales, which is in zoom   eve   in zoom and leavers
    fay   in east, which is in sales   gus   in zoom, expired (where accounts can be)
    cid   in none                      east  holds zoom again: a circle
    held  holds fay                    empty holds nobody

A *Company* says what its kind of directory knows, makes the adapter, and changes the company while the test runs.
"""

from __future__ import annotations

import base64
import csv
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from syncd.directories.active_directory.reader import ActiveDirectory, ActiveDirectorySettings, SimpleBind
from syncd.directories.file.reader import FileDirectory, FileDirectorySettings
from syncd.host.clock import SystemClock
from syncd.lab.entra.objects import a_group, a_person
from syncd.lab.faults import html_page, rewritten
from syncd.ports import Directory
from tests.adlab.lab import Lab
from tests.adlab.windows import GROUPS, STAFF, HangUp, Windows, company, group, guid, person
from tests.directories.entra_world import EntraWorld, an_entra

PEOPLE = ("ann", "bob", "cid", "dan", "eve", "fay", "gus")
MEMBERS: dict[str, tuple[str, ...]] = {
    "zoom": ("ann", "dan", "eve", "gus", "sales"),
    "sales": ("bob", "east"),
    "east": ("fay", "zoom"),
    "leavers": ("eve",),
    "held": ("fay",),
    "empty": (),
}
EXPIRED = "2020-01-01T00:00:00Z"

#: The simulated services give so many entries at once.
PAGE = 50

#: So many more people in no group: then one who cannot be understood does not make the read unreadable.
CROWD = 120


def addresses_of(name: str) -> tuple[str, ...]:
    """Everybody has two."""
    return f"{name}@corp.example", f"{name}.alias@corp.example"


class Company(Protocol):
    """One kind of directory with the company in it."""

    nests: bool  # groups within groups
    expires: bool  # accounts may expire
    names_missing_groups: bool  # a group that is not there can be told from one without members
    can_be_unclear: bool  # one person may be unreadable while others are
    can_break: bool
    pages: bool  # its lists come in pages, here of PAGE at most where that can be set

    def directory(
        self, *groups: str, leavers: Sequence[str] = (), protecting: Sequence[str] = (), nested: bool = True
    ) -> Directory:
        """An adapter; groups by their names above."""

    def id(self, name: str) -> str:
        """The Person.id of somebody, who may be gone by now."""

    def short(self, path: Sequence[str]) -> tuple[str, ...]:
        """A way into a group in the names above."""

    def join(self, group_: str, name: str) -> None: ...

    def leave(self, group_: str, name: str) -> None: ...

    def disable(self, name: str) -> None: ...

    def delete(self, name: str) -> None: ...

    def readdress(self, name: str, *addresses: str) -> None: ...

    def spoil(self, name: str) -> None:
        """From now on this person comes with a value that cannot be understood."""

    def break_off(self) -> None:
        """From now on every read, and every second look, breaks in the middle."""


Opened = AbstractAsyncContextManager[Company]

# ---------------------------------------------------------------------------------------------------------------- file


class FileCompany:
    """A CSV file. Its groups hold people only."""

    nests, expires, names_missing_groups, can_be_unclear, can_break, pages = False, True, False, True, True, False

    def __init__(self, folder: Path, crowd: int) -> None:
        self.path = folder / "people.csv"
        names = [*PEOPLE, *(f"p{number:03}" for number in range(crowd))]
        self.rows: dict[str, dict[str, Any]] = {
            name: {
                "addresses": addresses_of(name),
                "enabled": name != "dan",
                "expires": EXPIRED if name == "gus" else "",
                "groups": {one for one, members in MEMBERS.items() if name in members},
            }
            for name in names
        }
        self._write()

    def directory(
        self, *groups: str, leavers: Sequence[str] = (), protecting: Sequence[str] = (), nested: bool = True
    ) -> Directory:
        return FileDirectory(
            FileDirectorySettings(self.path, groups or ("zoom",), tuple(leavers), tuple(protecting)),
            SystemClock(),
            lambda event: None,
        )

    def id(self, name: str) -> str:
        return name

    def short(self, path: Sequence[str]) -> tuple[str, ...]:
        return tuple(path)

    def join(self, group_: str, name: str) -> None:
        self.rows[name]["groups"].add(group_)
        self._write()

    def leave(self, group_: str, name: str) -> None:
        self.rows[name]["groups"].discard(group_)
        self._write()

    def disable(self, name: str) -> None:
        self.rows[name]["enabled"] = False
        self._write()

    def delete(self, name: str) -> None:
        del self.rows[name]
        self._write()

    def readdress(self, name: str, *addresses: str) -> None:
        self.rows[name]["addresses"] = addresses
        self._write()

    def spoil(self, name: str) -> None:
        self.readdress(name, f"{name.title()} <{addresses_of(name)[0]}>")

    def break_off(self) -> None:
        self.path.write_bytes(self.path.read_bytes()[:-20] + b"\xff")

    def _write(self) -> None:
        with self.path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "display_name", "addresses", "enabled", "expires_at", "groups"])
            for name, row in self.rows.items():
                writer.writerow(
                    [
                        name,
                        name.title(),
                        ";".join(row["addresses"]),
                        str(row["enabled"]).lower(),
                        row["expires"],
                        ";".join(sorted(row["groups"])),
                    ]
                )


@asynccontextmanager
async def a_file(folder: Path, crowd: int = 0) -> AsyncIterator[Company]:
    """The company in a file."""
    yield FileCompany(folder, crowd)


# --------------------------------------------------------------------------------------------------------------- Entra


class EntraCompany:
    """The simulated token service and Graph."""

    nests, expires, names_missing_groups, can_be_unclear, can_break, pages = True, False, True, True, True, True

    def __init__(self, world: EntraWorld) -> None:
        self._world, self._tenant = world, world.tenant

    def directory(
        self, *groups: str, leavers: Sequence[str] = (), protecting: Sequence[str] = (), nested: bool = True
    ) -> Directory:
        return self._world.directory(
            groups=groups or ("zoom",), leaver_groups=tuple(leavers), protecting_groups=tuple(protecting), nested=nested
        )

    def id(self, name: str) -> str:
        return self._world.id(_named(name))

    def short(self, path: Sequence[str]) -> tuple[str, ...]:
        return tuple(path)

    def join(self, group_: str, name: str) -> None:
        self._tenant.join(group_, _named(name))

    def leave(self, group_: str, name: str) -> None:
        self._tenant.leave(group_, _named(name))

    def disable(self, name: str) -> None:
        self._tenant.update(_named(name), account_enabled=False)

    def delete(self, name: str) -> None:
        self._tenant.delete(_named(name))

    def readdress(self, name: str, *addresses: str) -> None:
        self._tenant.update(
            _named(name),
            mail=addresses[0],
            user_principal_name=addresses[0],
            proxy_addresses=(f"SMTP:{addresses[0]}", *(f"smtp:{other}" for other in addresses[1:])),
        )

    def spoil(self, name: str) -> None:
        wanted = self.id(name)

        def spoiled(body: dict[str, Any]) -> None:
            for row in body.get("value", [body]):
                if row["id"] == wanted:
                    row["accountEnabled"] = "perhaps"

        for operation in ("list_users", "user"):
            self._world.graph.faults.add(rewritten(spoiled), operation, times=None)

    def break_off(self) -> None:
        self._world.graph.faults.add(html_page(502), "members", times=None, skip=1)
        self._world.graph.faults.add(html_page(502), "member_groups", times=None)


@asynccontextmanager
async def an_entra_tenant(folder: Path, crowd: int = 0) -> AsyncIterator[Company]:
    """The company in a simulated tenant."""
    people = [
        a_person(
            addresses_of(name)[0],
            account_enabled=name != "dan",
            proxy_addresses=(f"SMTP:{addresses_of(name)[0]}", f"smtp:{addresses_of(name)[1]}"),
        )
        for name in [*PEOPLE, *(f"p{number:03}" for number in range(crowd))]
    ]
    members = {one: [_named(member) for member in held] for one, held in MEMBERS.items()}
    async with an_entra(folder, [*people, *map(a_group, MEMBERS)], members) as world:
        world.graph.reads.page_max = PAGE
        yield EntraCompany(world)


def _named(name: str) -> str:
    return name if name in MEMBERS else addresses_of(name)[0]


# ---------------------------------------------------------------------------------------------------- Active Directory


class WindowsCompany:
    """A loopback server that answers as a Windows controller does."""

    nests, expires, names_missing_groups, can_be_unclear, can_break, pages = True, True, True, True, True, True

    def __init__(self, controller: Windows) -> None:
        self._controller = controller
        self._made: list[ActiveDirectory] = []

    def directory(
        self, *groups: str, leavers: Sequence[str] = (), protecting: Sequence[str] = (), nested: bool = True
    ) -> Directory:
        made = ActiveDirectory(
            ActiveDirectorySettings(
                (self._controller.url,),
                SimpleBind("svc@corp.example", lambda: "secret"),
                ("DC=corp,DC=example",),
                groups or ("zoom",),
                tuple(leavers),
                tuple(protecting),
                nested=nested,
                allow_plaintext=True,
            ),
            SystemClock(),
            lambda event: None,
        )
        self._made.append(made)
        return made

    async def close(self) -> None:
        for made in self._made:
            await made.close()

    def id(self, name: str) -> str:
        return str(uuid.UUID(bytes_le=guid(_number(name))))

    def short(self, path: Sequence[str]) -> tuple[str, ...]:
        return tuple(path)

    def join(self, group_: str, name: str) -> None:
        self._of(group_)["member"].append(_dn(name))

    def leave(self, group_: str, name: str) -> None:
        self._of(group_)["member"].remove(_dn(name))

    def disable(self, name: str) -> None:
        self._of(name)["useraccountcontrol"] = ["514"]

    def delete(self, name: str) -> None:
        del self._controller.entries[_dn(name)]
        for attributes in self._controller.entries.values():
            if _dn(name) in attributes.get("member", []):
                attributes["member"].remove(_dn(name))

    def readdress(self, name: str, *addresses: str) -> None:
        self._of(name).update({"mail": [addresses[0]], "proxyaddresses": [f"smtp:{other}" for other in addresses[1:]]})

    def spoil(self, name: str) -> None:
        self._of(name)["useraccountcontrol"] = ["perhaps"]

    def break_off(self) -> None:
        def fault(search: Any) -> None:
            if search.asks_for("sAMAccountName") or search.asks_for("member"):
                raise HangUp

        self._controller.fault = fault

    def _of(self, name: str) -> dict[str, Any]:
        return self._controller.entries[_dn(name)]


@asynccontextmanager
async def a_windows_domain(folder: Path, crowd: int = 0) -> AsyncIterator[Company]:
    """The company in a domain as Windows shows it."""
    entries = {dn: attributes for dn, attributes in company(0, 0).items() if not dn.startswith("CN=")}
    for name in [*PEOPLE, *(f"p{number:03}" for number in range(crowd))]:
        main, alias = addresses_of(name)
        more = {"displayName": [name.title()], "mail": [main], "proxyAddresses": [f"SMTP:{main}", f"smtp:{alias}"]}
        if name == "dan":
            more["userAccountControl"] = ["514"]
        if name == "gus":
            more["accountExpires"] = ["132223104000000000"]  # 2020-01-01
        entries[_dn(name)] = person(_number(name), **more)
    for one, members in MEMBERS.items():
        entries[_dn(one)] = group(_number(one), one, [_dn(member) for member in members])
    with Windows(entries, page_max=PAGE, range_max=PAGE) as controller:
        made = WindowsCompany(controller)
        try:
            yield made
        finally:
            await made.close()


def _dn(name: str) -> str:
    return f"CN={name},{GROUPS if name in MEMBERS else STAFF}"


def _number(name: str) -> int:
    if name in MEMBERS:
        return 5000 + list(MEMBERS).index(name)
    return 1 + PEOPLE.index(name) if name in PEOPLE else 100 + int(name[1:])


# --------------------------------------------------------------------------------------------------------------- Samba


class SambaCompany:
    """A real domain controller. Every company gets an organisational unit and names of its own."""

    nests, expires, names_missing_groups, can_be_unclear, can_break, pages = True, True, True, False, False, True
    _numbers = count(1)

    def __init__(self, lab: Lab, crowd: int) -> None:
        self._lab = lab
        self._prefix = f"c{next(self._numbers)}-"
        self._base = f"OU={self._prefix}company,{lab['BASE_DN']}"
        self._ids: dict[str, str] = {}
        self._made: list[ActiveDirectory] = []
        rows = [f"dn: {self._base}\nobjectClass: organizationalUnit\n"]
        for name in [*PEOPLE, *(f"p{number:03}" for number in range(crowd))]:
            main, alias = addresses_of(name)
            rows.append(
                f"dn: {self._dn(name)}\nobjectClass: user\nsAMAccountName: {self._prefix}{name}\ndisplayName: {name.title()}\n"
                f"userAccountControl: {514 if name == 'dan' else 544}\nmail: {main}\n"
                f"proxyAddresses: SMTP:{main}\nproxyAddresses: smtp:{alias}\n"
                + ("accountExpires: 132223104000000000\n" if name == "gus" else "")
            )
        rows += [
            f"dn: {self._dn(one)}\nobjectClass: group\nsAMAccountName: {self._prefix}{one}\ngroupType: -2147483646\n"
            for one in MEMBERS
        ]
        lab.add("\n".join(rows))
        for one, members in MEMBERS.items():
            for member in members:
                self.join(one, member)

    def directory(
        self, *groups: str, leavers: Sequence[str] = (), protecting: Sequence[str] = (), nested: bool = True
    ) -> Directory:
        lab = self._lab
        made = ActiveDirectory(
            ActiveDirectorySettings(
                (lab["URI"],),
                SimpleBind(lab["SVC_UPN"], lambda: lab["SVC_PASSWORD"]),
                (self._base,),
                self._long(groups or ("zoom",)),
                self._long(leavers),
                self._long(protecting),
                ca_file=lab["CA_FILE"],
                nested=nested,
                page_size=PAGE,
            ),
            SystemClock(),
            lambda event: None,
        )
        self._made.append(made)
        return made

    async def close(self) -> None:
        for made in self._made:
            await made.close()

    def id(self, name: str) -> str:
        if name not in self._ids:
            (encoded,) = self._lab.ldapsearch(f"(sAMAccountName={self._prefix}{name})", "objectGUID")
            self._ids[name] = str(uuid.UUID(bytes_le=base64.b64decode(encoded.lstrip(": "))))
        return self._ids[name]

    def short(self, path: Sequence[str]) -> tuple[str, ...]:
        return tuple(one.removeprefix(self._prefix) for one in path)

    def join(self, group_: str, name: str) -> None:
        self._modify(group_, "add", "member", self._dn(name))

    def leave(self, group_: str, name: str) -> None:
        self._modify(group_, "delete", "member", self._dn(name))

    def disable(self, name: str) -> None:
        self._modify(name, "replace", "userAccountControl", "546")

    def delete(self, name: str) -> None:
        self.id(name)
        self._lab.modify(f"dn: {self._dn(name)}\nchangetype: delete\n")

    def readdress(self, name: str, *addresses: str) -> None:
        self._modify(name, "replace", "mail", addresses[0])
        self._modify(name, "replace", "proxyAddresses", *(f"smtp:{other}" for other in addresses[1:]))

    def spoil(self, name: str) -> None:
        raise NotImplementedError

    def break_off(self) -> None:
        raise NotImplementedError

    def _dn(self, name: str) -> str:
        return f"CN={self._prefix}{name},{self._base}"

    def _long(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(f"{self._prefix}{name}" for name in names)

    def _modify(self, name: str, how: str, attribute: str, *values: str) -> None:
        lines = "".join(f"{attribute}: {value}\n" for value in values)
        self._lab.modify(f"dn: {self._dn(name)}\nchangetype: modify\n{how}: {attribute}\n{lines}")


@asynccontextmanager
async def a_samba_domain(lab: Lab, crowd: int = 0) -> AsyncIterator[Company]:
    """The company in a real Active Directory."""
    made = SambaCompany(lab, crowd)
    try:
        yield made
    finally:
        await made.close()


#: Kind of directory -> the companies that the suite runs on: name -> how one is opened. ``samba`` wants a domain controller.
COMPANIES: dict[str, dict[str, Callable[..., Opened]]] = {
    "file": {"file": a_file},
    "entra": {"entra": an_entra_tenant},
    "active_directory": {"windows": a_windows_domain, "samba": a_samba_domain},
}

"""What is really so: who works here, whose account that is, whose address it was when. Knows nothing of syncd.

The directory (``Entry``) is what somebody typed about it, and Zoom (``Account``) what became of it; both may be wrong. The
oracle judges by the humans.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

ENTITLING, LEAVERS, VIPS = "Zoom Users", "Leavers", "VIPs"

ACTIVE, INACTIVE = "active", "inactive"
BASIC, LICENSED = 1, 2
MEMBER, ADMIN = "2", "1"


@dataclass
class Human:
    """Somebody. *left_at*: simulated seconds; None while employed."""

    name: str
    left_at: float | None = None

    @property
    def employed(self) -> bool:
        return self.left_at is None


@dataclass(frozen=True)
class Entry:
    """An object of the directory. Never changed, always replaced: an old view stays what it was."""

    id: str
    human: str
    mail: str
    aliases: tuple[str, ...] = ()
    enabled: bool = True
    expires_at: datetime | None = None
    groups: frozenset[str] = frozenset({ENTITLING})
    unclear: str = ""
    department: str = "Sales"
    manager: str = ""  # the entry of whoever manages them

    def entitled(self, now: datetime) -> bool:
        """Whether it says that this human may have an account."""
        return (
            not self.unclear
            and self.enabled
            and ENTITLING in self.groups
            and LEAVERS not in self.groups
            and (self.expires_at is None or self.expires_at > now)
        )

    def known_leaver(self, now: datetime) -> bool:
        """Whether it says that this human has left, rather than being silent about it."""
        return not self.unclear and (
            not self.enabled or LEAVERS in self.groups or (self.expires_at is not None and self.expires_at <= now)
        )


@dataclass
class Account:
    """A Zoom account. *owner* is whose it really is; None: nobody's (a service account)."""

    zoom_id: str
    email: str
    owner: str | None
    status: str = ACTIVE
    type: int = LICENSED
    role_id: str = MEMBER
    room: bool = False
    pending: bool = False
    content: int = 1  # meetings and recordings, as one number
    odd: bool = False  # every answer about it alone cannot be understood
    refuses: bool = False  # Zoom refuses every change of it for good
    shows: tuple[str, float] | None = None  # an older status that single reads show until then
    taken: int | None = None  # the type it had when syncd switched it off
    taken_at: float = 0.0
    typed_at: float = -1.0  # when somebody changed its type in Zoom
    changed_by: str = ""  # syncd | admin: who changed its status last
    changed_at: float = 0.0

    @property
    def other_type(self) -> int:
        """What it becomes when somebody changes its type."""
        return BASIC if self.type == LICENSED else LICENSED


@dataclass
class Truth:
    """The company."""

    domain: str = "corp.example"
    humans: dict[str, Human] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    group_id: str = "group-1"  # the object behind the name of the entitling group
    seats: int = 1000
    holder_of: dict[str, list[tuple[float, str]]] = field(default_factory=dict)  # address -> (since when, whose)
    made: int = 0

    def employ(self, at: float, name: str, address: str = "") -> Entry:
        """A human with an entry; their account is made apart."""
        self.made += 1
        self.humans[name] = Human(name)
        entry = Entry(f"e{self.made:04}", name, address or f"{name}@{self.domain}")
        self.put(at, entry)
        return entry

    def put(self, at: float, entry: Entry) -> None:
        """Makes or replaces an entry, and remembers whose its addresses are."""
        self.entries[entry.id] = entry
        for address in (entry.mail, *entry.aliases):
            known = self.holder_of.setdefault(address, [])
            if not known or known[-1][1] != entry.human:
                known.append((at, entry.human))

    def open_account(self, owner: str | None, email: str, **more: object) -> Account:
        self.made += 1
        account = Account(f"z{self.made:04}", email, owner, **more)  # type: ignore[arg-type]
        if account.type == LICENSED and self.seats_free <= 0:
            account.type = BASIC
        self.accounts[account.zoom_id] = account
        return account

    @property
    def seats_free(self) -> int:
        return self.seats - sum(1 for one in self.accounts.values() if one.status == ACTIVE and one.type == LICENSED)

    def entries_of(self, human: str) -> list[Entry]:
        return [entry for entry in self.entries.values() if entry.human == human]

    def accounts_of(self, human: str) -> list[Account]:
        return [account for account in self.accounts.values() if account.owner == human]

    def taken_over(self, account: Account) -> None:
        """A person switches an account on whose owner is gone: it is used by whoever has its address now."""
        if not self.works_here(account.owner):
            for entry in self.entries.values():
                if entry.mail.lower() == account.email.lower() and self.works_here(entry.human):
                    account.owner = entry.human

    def works_here(self, human: str | None) -> bool:
        return human is not None and human in self.humans and self.humans[human].employed

    def change(self, at: float, id_: str, **values: object) -> Entry:
        entry = replace(self.entries[id_], **values)  # type: ignore[arg-type]
        self.put(at, entry)
        return entry

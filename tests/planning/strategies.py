"""Small worlds for hypothesis: few names, so that people and accounts meet, collide and miss each other often; and among them
accounts to which something happens (``aimed``), for left to chance hardly anything is ever due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from msgspec import structs

from syncd.ledger.history import History
from syncd.model import (
    Deactivated,
    DirectoryGroup,
    DirectorySnapshot,
    Gone,
    GroupUse,
    Hold,
    Limits,
    Person,
    Plan,
    Policy,
    Refusal,
    Status,
    Verdict,
    ZoomAccount,
    ZoomSnapshot,
    unclear_limit,
)
from syncd.planning.decide import decide, refusal_fingerprint
from syncd.planning.entitlement import entitled_people
from syncd.planning.guards import Facts, judge
from syncd.planning.numbers import number_hash
from tests import whole

# How fast a machine is, is no property of the code.
settings.register_profile("syncd", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is slow
settings.load_profile("syncd")

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
ROLES = {"0": "Owner", "1": "Admin", "2": "Member"}
AIMED = ("dan", "eve", "fay")
LOCAL = ("ann", "bob", "cid", "svc-x")
DOMAINS = ("corp.example", "old.example", "sub.corp.example", "elsewhere.example")

addresses = st.builds(lambda local, domain: f"{local}@{domain}", st.sampled_from(LOCAL), st.sampled_from(DOMAINS))
ago = st.sampled_from([timedelta(0), timedelta(hours=1), timedelta(hours=23), timedelta(hours=25), timedelta(days=8)])
mostly = st.sampled_from([True, True, True, False])
seldom = st.sampled_from([False, False, False, True])


def paths(name: str, usual: st.SearchStrategy[bool]) -> st.SearchStrategy[tuple[str, ...]]:
    """A group path, or none."""
    return usual.map(lambda member: (name,) if member else ())


@st.composite
def people(draw: st.DrawFn) -> list[Person]:
    """Up to five people, some with several or shared addresses."""
    drawn = [
        Person(
            f"p{number}",
            (keys := tuple(dict.fromkeys(draw(st.lists(addresses, max_size=3)))))[: (mains := draw(st.sampled_from([1, 1, 2])))],
            aliases=keys[mains:],
            enabled=draw(mostly),
            expires_at=draw(st.one_of(st.none(), st.none(), ago.map(lambda span: NOW - span), st.just(NOW + timedelta(days=1)))),
            entitled_by=draw(paths("Zoom Users", mostly)),
            leaver_by=draw(paths("Leavers", seldom)),
            protected_by=draw(paths("Legal Hold", seldom)),
            guest=draw(seldom),
            unclear=draw(seldom.map(lambda unclear: "unreadable" if unclear else "")),
            unclean=draw(st.sampled_from([(), (), (), (), ("ann@corp.example; bob@corp.example",)])),
            membership_unknown=draw(seldom),
            number=draw(st.sampled_from(["", "", "7", "8"])),
        )
        for number in range(draw(st.integers(0, 5)))
    ]
    # No more of them than a read may have: how one with more ends, is a matter of its own.
    unread = [person for person in drawn if person.unclear or person.unclean]
    return [
        structs.replace(person, unclear="", unclean=()) if person in unread[unclear_limit(0) :] else person for person in drawn
    ]


@st.composite
def accounts(draw: st.DrawFn) -> list[ZoomAccount]:
    """Up to six accounts with different addresses."""
    emails = draw(st.lists(addresses, max_size=6, unique=True))
    result = []
    for number, email in enumerate(emails):
        status = draw(st.sampled_from([Status.ACTIVE, Status.ACTIVE, Status.INACTIVE, Status.PENDING]))
        role = draw(st.sampled_from(["2", "2", "2", "1", None]))
        result.append(
            ZoomAccount(
                None if status is Status.PENDING else f"z{number}",
                draw(st.sampled_from([email, email.upper()])),
                status,
                role_id=role,
                role=ROLES.get(role or ""),
                type=draw(st.sampled_from([1, 2, 4])),
                group_ids=draw(paths("g-rooms", seldom)),
                room=draw(seldom),
            )
        )
    return result


policies = st.builds(
    Policy,
    zoom_account_id=st.just("zoom-account"),
    domains=st.sampled_from([("corp.example",), ("corp.example", "*.corp.example")]),
    domain_aliases=st.sampled_from([(), (("old.example", "corp.example"),)]),
    pilot=st.sampled_from([(), (), (), ("ann@corp.example", "bob@*")]),
    ordinary_roles=st.sampled_from([("member",), ("Member", "admin")]),
    protect_accounts=st.sampled_from([(), ("svc-*@corp.example",), ("ann@corp.example",)]),
    protect_groups=st.sampled_from([(), ("Rooms",)]),
    grace=st.sampled_from([timedelta(0), timedelta(hours=4)]),
    grace_reads=st.integers(1, 3),
    grace_for_known_leavers=st.sampled_from([timedelta(0), timedelta(hours=2)]),
    when_disabled=mostly,
    when_expired=mostly,
    reactivate=st.sampled_from(["ours", "any", "never"]),
    reactivate_reads=st.integers(1, 2),
    person_number=st.sampled_from(["", "", "employeeID"]),
    ignore_people=st.sampled_from([(), (), (), ("p0",)]),
    guests=mostly,
)


@st.composite
def histories(draw: st.DrawFn, accounts: Sequence[ZoomAccount], policy: Policy) -> History:
    """What a ledger could remember about these accounts."""
    history = History(
        good_reads=10,
        policy_in_use=policy.as_json(),
        ledger_id="ledger",
        numbers={"p5": number_hash("7", "ledger")} if draw(st.booleans()) else {},
    )
    for account in accounts:
        zoom_id = account.zoom_id
        if zoom_id is None:
            continue
        if draw(st.booleans()):
            history.pairs[zoom_id] = f"p{draw(st.integers(0, 5))}"
        if draw(st.booleans()):
            history.gone[zoom_id] = Gone(NOW - draw(ago), draw(st.integers(8, 10)))
        if draw(st.booleans()):
            history.returning[zoom_id] = Gone(NOW - draw(ago), draw(st.integers(8, 10)))
        if draw(st.booleans()):
            history.deactivated[zoom_id] = Deactivated(
                NOW - draw(ago),
                "c1",
                draw(st.sampled_from(["cycle", "cycle", "hand", "undo"])),
                2,
                None,
                "2",
                seen_active=draw(seldom),
                reactivated_at=draw(st.sampled_from([None, None, NOW])),
            )
        if draw(seldom):
            history.holds[zoom_id] = Hold("Kim", "", NOW, draw(st.sampled_from([None, NOW, NOW + timedelta(days=1)])))
        if draw(seldom):
            history.refusals[(zoom_id, draw(st.sampled_from(["deactivate", "reactivate"])))] = Refusal(
                NOW - draw(ago), 200, "", refusal_fingerprint(account, policy.digest(), draw(st.sampled_from(["app", "other"])))
            )
    return history


class Aimed:
    """One account to which something happens, with its person and its past. What the others of a world do to it, is chance."""

    def __init__(self, name: str) -> None:
        self.name, self.email = name, f"{name}@corp.example"
        self.people = [Person(f"p-{name}", (self.email,), entitled_by=("Zoom Users",))]
        self.accounts = [ZoomAccount(f"z-{name}", self.email, Status.ACTIVE, role_id="2", role="Member", type=2)]
        self.pairs = {f"z-{name}": f"p-{name}"}
        self.gone = False  # for long enough
        self.ours = ""  # who deactivated it
        self.held = self.refused = False
        self.number = ""  # remembered for the person

    def person(self, **changes: Any) -> None:
        """Something about the person is otherwise."""
        self.people[0] = structs.replace(self.people[0], **changes)

    def account(self, **changes: Any) -> None:
        """Something about the account is otherwise."""
        self.accounts[0] = structs.replace(self.accounts[0], **changes)

    def leave(self, how: str) -> None:
        """They have left, and their grace is over."""
        self.gone = True
        match how:
            case "disabled":
                self.person(enabled=False)
            case "expired":
                self.person(expires_at=NOW - timedelta(days=1))
            case "leavers":
                self.person(leaver_by=("Leavers",))
            case "groups":
                self.person(entitled_by=())
            case "absent":
                self.people.clear()

    def come_back(self, by: str) -> None:
        """They are back, the account is still off."""
        self.account(status=Status.INACTIVE)
        self.ours = by

    def hire_again(self, *, kept: bool) -> None:
        """Under a new id, or on the way from one domain to another. *kept*: the old entry is still there, disabled, and the
        new one is remembered."""
        self.number = f"n-{self.name}"
        left = Person(f"p-{self.name}", (self.email,), entitled_by=("Zoom Users",), enabled=False, number=self.number)
        self.people = [structs.replace(person, id=f"p-new-{self.name}", number=self.number) for person in self.people]
        if kept:
            self.people.append(left)
            self.pairs = {f"z-{self.name}": f"p-new-{self.name}"}

    def into(self, history: History, policy: Policy) -> None:
        """Writes its past down."""
        history.pairs.update(self.pairs)
        for account in self.accounts:
            zoom_id = account.zoom_id or ""
            if self.gone:
                history.gone[zoom_id] = Gone(NOW - timedelta(days=2), 7)
            if self.ours:
                history.deactivated[zoom_id] = Deactivated(NOW - timedelta(days=3), "c1", self.ours, 2, None, account.role_id)
                history.returning[zoom_id] = Gone(NOW - timedelta(days=1), 8)
            if self.held:
                history.holds[zoom_id] = Hold("Kim", "", NOW - timedelta(days=1))
            if self.refused:
                action = "reactivate" if self.ours else "deactivate"
                history.refusals[zoom_id, action] = Refusal(
                    NOW - timedelta(days=1), 200, "", refusal_fingerprint(account, policy.digest(), "app")
                )
        if self.number:
            history.numbers[f"p-{self.name}"] = number_hash(self.number, history.ledger_id)


LEAVING = ("disabled", "expired", "leavers", "groups", "absent")
#: What lies in the way of a change, or beside it.
BESIDE = ("", "", "", "role", "room", "held", "refused", "renamed", "alias", "second", "unclear", "protected", "number")


@st.composite
def aimed(draw: st.DrawFn, name: str) -> Aimed:
    """A matched pair that leaves or comes back, mostly with nothing in the way."""
    one = Aimed(name)
    back = draw(st.booleans())
    if back:
        one.come_back(draw(st.sampled_from(["cycle", "cycle", "cycle", "hand"])))
    else:
        one.leave(draw(st.sampled_from(LEAVING)))
    beside = draw(st.sampled_from(BESIDE))
    other = Person(f"p-boss-{name}", (f"boss-{name}@corp.example",), entitled_by=("Zoom Users",))
    match beside:
        case "role":
            one.account(role_id="1", role="Admin")
        case "room":
            one.account(room=True)
        case "held" | "refused":
            setattr(one, beside, True)
        case "renamed" if one.people:
            one.person(mains=(f"{name}.new@corp.example",))
        case "alias":
            one.people.append(structs.replace(other, aliases=(one.email,)))
            if draw(st.booleans()):
                one.accounts.append(ZoomAccount(f"z-boss-{name}", other.mains[0], Status.ACTIVE, role_id="2", role="Member"))
        case "second" if one.people:
            one.person(mains=(one.email, f"{name}.2@corp.example"))
            one.accounts.append(
                ZoomAccount(
                    f"z2-{name}",
                    f"{name}.2@corp.example",
                    draw(st.sampled_from([Status.ACTIVE, Status.INACTIVE])),
                    role_id="2",
                    role="Member",
                )
            )
        case "unclear" if one.people:
            one.person(unclear="unreadable", entitled_by=("Zoom Users",))
        case "protected" if one.people:
            one.person(protected_by=("Legal Hold",))
        case "number":
            one.hire_again(kept=draw(st.booleans()))
    return one


@dataclass(frozen=True)
class Case:
    """Everything a decision looks at."""

    directory: DirectorySnapshot
    zoom: ZoomSnapshot
    history: History
    policy: Policy

    def plan(self) -> Plan:
        """What is decided now."""
        return decide(self.directory, self.zoom, self.history, self.policy, NOW, "app")

    def facts(self, *, armed: bool = False) -> Facts:
        """What the guards look at."""
        return Facts(
            self.plan(),
            self.history,
            self.policy,
            NOW,
            self.directory,
            self.zoom,
            armed,
            entitled_people(self.directory, self.policy, NOW),
        )

    def verdicts(self, *, armed: bool = False) -> tuple[Verdict, ...]:
        """What the guards say."""
        return judge(self.facts(armed=armed)).verdicts


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A world and its past."""
    policy = draw(policies)
    happens = [draw(aimed(name)) for name in AIMED[: draw(st.sampled_from([3, 3, 2, 1, 0]))]]
    around, theirs = draw(people()), [one for aim in happens for one in aim.people]
    if sum(bool(one.unclear or one.unclean) for one in (*around, *theirs)) > unclear_limit(0):
        around = [structs.replace(one, unclear="", unclean=()) for one in around]
    chance = draw(accounts())
    matched = [one for aim in happens for one in aim.accounts]
    zoom = whole.zoom("zoom-account", NOW, [*chance, *matched], roles=ROLES, groups={"g-rooms": "Rooms"})
    directory = whole.directory(
        "file",
        NOW,
        [*around, *theirs],
        [DirectoryGroup("zoom users", "Zoom Users", GroupUse.ENTITLING, 3)],
        unresolved=draw(seldom.map(lambda some: ("CN=ghost",) if some else ())),
    )
    history = draw(histories(chance, policy))
    for aim in happens:
        aim.into(history, policy)
    return Case(directory, zoom, history, policy)


#: Guards that never trip on such small worlds, except those a test asks for.
LOOSE = Limits(
    max_deactivations=1000,
    max_deactivations_percent=100,
    max_deactivations_per_day=1000,
    max_reactivations=1000,
    max_deactivations_per_30_days=1000,
    max_reactivations_per_day=1000,
    max_directory_shrink_percent=100,
    max_flapping=1000,
    min_match_percent=0,
    min_directory_people=0,
    max_failing_writes_percent=100,
)


def loosened(policy: Policy) -> Policy:
    """The same policy with guards that let everything pass."""
    return replace(policy, limits=LOOSE)

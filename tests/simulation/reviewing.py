"""What people review, and what they did not see, in a simulated company: a policy is widened while some are on their way out or
cannot be read; a directory goes on shrinking while somebody still looks at what it showed an hour ago; a domain is misspelt.

Judged by whom a read showed in step, whom an approval named, and how many people the reviewer saw.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from syncd.model import CycleReport
from tests.simulation.events import _employed, _later_right, event, leave_as
from tests.simulation.truth import ACTIVE, VIPS, Account, Entry
from tests.simulation.world import DAY, HOUR, View, World

if TYPE_CHECKING:
    from tests.simulation.wiring import Process

DOMAIN, MISSPELT = "corp.example", "corp.exmaple"

#: So many fewer people than were reviewed, by both, are another directory: a little more than the guard lets pass.
SMALLER_SHARE, SMALLER_BY = 0.12, 6

#: What was accepted counts as the size of the directory while nothing else was read; two days are well within that.
ACCEPTED_SECONDS = 2 * DAY


@dataclass
class Reviews:
    """What is known of this company's reviews."""

    widened: Mapping[str, Any] | None = None  # the configuration that let more happen than the one before
    unseen: set[str] = field(default_factory=set)  # accounts that no good read under it showed in step, and no approval named
    people: int = 0  # whom the reviewer of a smaller directory saw, and when that was approved
    approved_at: float = 0.0
    idle_until: float = 0.0  # somebody said that nobody is to be looked after


def of(world: World) -> Reviews:
    known: Reviews = world.facts.setdefault("reviews", Reviews())
    return known


# -------------------------------------------------------------------------------------------------------------- events


def _restarted(world: World) -> None:
    for process in world.processes:
        process.terminate()


@event(3, "policy_widened")
def policy_widened(world: World, luck: Random) -> str | None:
    """Somebody left and is within the grace, somebody else cannot be read for a while and leaves meanwhile; then the rules become
    looser, and nobody thinks of these two."""
    gone, odd = _employed(world, luck), _employed(world, luck)
    name, value = _wider(world)
    if gone is None or odd is None or gone.human == odd.human or not name:
        return None
    world.truth.change(world.t, odd.id, unclear="flags are not shown")
    leave_as(world, gone, "taken out of the groups")

    def edited() -> None:
        if world.calm:
            return
        world.set_choice(name, value)
        known = of(world)
        known.widened = world.policy
        known.unseen = {one.zoom_id for one in world.truth.accounts.values() if one.status == ACTIVE and not _in_step(world, one)}
        _restarted(world)

    def clear() -> None:
        entry = world.truth.entries.get(odd.id)
        if entry is not None:
            leave_as(world, world.truth.change(world.t, odd.id, unclear=""), "disabled")
            world.remember_state()

    world.later(1.5 * world.interval, edited)
    _later_right(world, clear, 6 * world.interval)
    return f"{name} {value}; {gone.human} and {odd.human} on their way"


def _wider(world: World) -> tuple[str, Any]:
    """One setting that lets more happen; nothing where all of them do already."""
    policy = world.policy
    if policy["grace"]:
        return "grace_hours", policy["grace"].total_seconds() / HOUR / 2
    if policy["grace_reads"] > 1:
        return "grace_reads", policy["grace_reads"] - 1
    return ("revoke_sessions", True) if not policy["revoke_sessions"] else ("", None)


@event(3, "smaller_than_reviewed")
def shrinks_while_reviewed(world: World, luck: Random) -> str | None:
    """Half of a unit without accounts vanishes, and somebody with one leaves; while that is reviewed the rest of the unit
    vanishes too. The one change stays the same."""
    leaver = _employed(world, luck)
    if leaver is None:
        return None
    number = world.facts["units"] = world.facts.get("units", 0) + 1
    unit = [world.truth.employ(world.t, f"unit{number}.{each:02}") for each in range(30)]
    shrinks = 3 * world.interval + luck.random() * HOUR

    def vanish(some: list[Entry]) -> None:
        if not world.calm:
            for entry in some:
                world.truth.entries.pop(entry.id, None)
            world.remember_state()

    def first() -> None:
        if leaver.id in world.truth.entries and not world.calm:
            leave_as(world, world.truth.entries[leaver.id], "disabled")
        vanish(unit[:14])

    def back() -> None:
        for entry in unit:
            world.truth.put(world.t, entry)

    world.later(shrinks, first)
    world.later(shrinks + luck.choice((1.2, 2.5)) * world.interval, lambda: vanish(unit[14:]))
    _later_right(world, back, 2 * DAY)
    return f"unit {number}, and {leaver.human} leaves"


@event(3, "scope_misspelt")
def scope_misspelt(world: World, luck: Random) -> str | None:
    """Two letters of the domain change places; syncd would look after nobody."""

    def right() -> None:
        if world.policy.get("domains") == (MISSPELT,):
            world.set_choice("domains", (DOMAIN,))
            _restarted(world)

    world.set_choice("domains", (MISSPELT,))
    _restarted(world)
    _later_right(world, right, luck.choice((3.0, 30.0)) * HOUR)
    return MISSPELT


# ----------------------------------------------------------------------------------------------------------- judgement


def _claimed(view: View, account: Account, world: World) -> bool:
    """Whether somebody whom the view shows entitled has this account's address."""
    email = account.email.lower()
    return any(
        entry.entitled(world.now)
        and not entry.unclear
        and (entry.mail.lower() == email or email in map(str.lower, entry.aliases))
        for entry in view.entries.values()
    )


def _in_step(world: World, account: Account) -> bool:
    return _claimed(world.view(), account, world)


def read(process: Process) -> None:
    """A good read: whom it shows in step under the wider rules is an ordinary leaver later, and so is whoever was on hold,
    protected or inactive: there was nothing to review."""
    world, known = process.world, of(process.world)
    view = process.view
    if known.widened is None or process.choices != known.widened or view is None:
        return
    for zoom_id in sorted(known.unseen):
        account = world.truth.accounts.get(zoom_id)
        linked = world.oracle.linked.get(zoom_id)
        entry = view.entries.get(linked or "")
        if (
            account is None
            or account.status != ACTIVE
            or zoom_id in world.holds
            or any(VIPS in shown.groups for shown in view.of(account.owner))
            or _claimed(view, account, world)
            or (entry is not None and entry.entitled(world.now) and not entry.unclear)
        ):
            known.unseen.discard(zoom_id)


def approved(world: World, body: Mapping[str, Any]) -> None:
    """Whom an approval named, and what it was about."""
    known = of(world)
    if "policy-changed" in body["guards"]:
        known.unseen -= {zoom_id for zoom_id, _ in body["effects"]} | set(body.get("on_the_way", ()))
    if "nothing-in-scope" in body["guards"]:
        known.idle_until = world.t + DAY


def looked_at(world: World, report: CycleReport, guards: list[str]) -> None:
    """Somebody approved what this report showed them."""
    if "directory-shrunk" in guards and report.directory is not None:
        known = of(world)
        known.people, known.approved_at = len(report.directory.people), world.t


def forgets(world: World) -> None:
    """The ledger is an older one, or new: what was approved is void."""
    known = of(world)
    known.people, known.idle_until = 0, 0.0


def deactivating(process: Process, account: Account, *, is_approved: bool) -> None:
    """A cycle is about to switch somebody off."""
    world, known = process.world, of(process.world)
    if not is_approved and account.zoom_id in known.unseen and process.choices == known.widened:
        world.oracle.find(
            "unreviewed",
            f"{account.zoom_id} of {account.owner} is switched off under wider rules, under which nobody ever saw them",
        )
    people = len(process.view.entries) if process.view is not None else 0
    recent = world.t - known.approved_at < ACCEPTED_SECONDS
    if known.people and recent and people < known.people * (1 - SMALLER_SHARE) and known.people - people > SMALLER_BY:
        world.oracle.find(
            "smaller_than_reviewed",
            f"{account.zoom_id} of {account.owner} is switched off by a directory of {people}; {known.people} were reviewed",
        )


def looks_after_nobody(process: Process) -> bool:
    """Whether its domain is misspelt."""
    return bool(process.choices.get("domains") == (MISSPELT,))


def cycle_ended(process: Process, report: CycleReport) -> None:
    """Who looks after nobody does not call that a success."""
    world = process.world
    active = report.zoom is not None and any(account.status.value == ACTIVE for account in report.zoom.accounts)
    if (
        looks_after_nobody(process)
        and active
        and report.result.value in ("in_step", "applied")
        and world.t > of(world).idle_until
    ):
        world.oracle.find("idle", f"{process.name} looks after nobody, and calls that {report.result.value}")

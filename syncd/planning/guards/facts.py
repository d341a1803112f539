"""What guards may look at: a plan and its surroundings, as a cycle or a person's verb knows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import cached_property

from syncd.ledger.history import History
from syncd.model import (
    Action,
    Approval,
    Decision,
    DirectoryGroup,
    DirectorySnapshot,
    Guard,
    Plan,
    Policy,
    Reason,
    Status,
    ZoomSnapshot,
)
from syncd.planning.approved import agreed, covering, unreviewed
from syncd.planning.match import Addresses
from syncd.planning.protection import Protection


@dataclass(frozen=True)
class Situation:
    """What the guards on sizes and safety look at, whoever asks. A cycle's are ``Facts``, a person's ``HandFacts``."""

    plan: Plan
    history: History
    policy: Policy
    now: datetime

    @property
    def active(self) -> int:
        """Active accounts in scope: what shares are taken of. 0: not known."""
        raise NotImplementedError

    @property
    def protected(self) -> tuple[Decision, ...]:
        """Planned effects on exempt or role-protected accounts."""
        raise NotImplementedError

    @property
    def confirmed(self) -> bool:
        """Whether a person said that so many changes are right: that passes the sizes."""
        return False

    @property
    def needs_approval(self) -> bool:
        """Whether these changes need approvals however many there are: a person's, where several have to agree."""
        return False

    @property
    def while_paused(self) -> bool:
        """Whether a person said: even so."""
        return False

    @property
    def asked(self) -> str:
        """How changes are called that are not made yet."""
        return "planned"

    @property
    def advice(self) -> str:
        """The way past a size."""
        raise NotImplementedError

    def uncovered(self, guard: Guard, action: Action) -> list[Decision]:
        """Planned effects of one kind that no approval lets pass this guard."""
        return [effect for effect in self.plan.effects if effect.action is action and not self.covering(effect, guard)]

    def covering(self, effect: Decision, guard: Guard) -> str:
        """The approval (or announcement) that lets this effect pass this guard, or nothing."""
        return covering(self.history, effect, guard, self.policy, self.now)


@dataclass(frozen=True)
class Facts(Situation):
    """Everything the guards of a cycle may look at."""

    directory: DirectorySnapshot
    zoom: ZoomSnapshot
    armed: bool  # policy-changed waits for a review (see policy_change.armed)
    entitled: int  # people of the directory entitled to a Zoom account
    ledger_new: str = ""  # why this ledger may not be the one that is meant; empty: it is
    missing_heads: tuple[str, ...] = field(default=())  # published heads that are not in the chain
    look_older: int = 0  # people who look worse on another copy of the directory (see planning.stale)

    @cached_property
    def active_in_scope(self) -> tuple[int, int]:
        """How many active accounts are in scope, and how many of them match anybody in the directory."""
        active = [
            decision
            for decision in self.plan.decisions
            if decision.account.status is Status.ACTIVE and decision.reason is not Reason.OUT_OF_SCOPE
        ]
        return len(active), sum(1 for decision in active if decision.directory_id is not None)

    @property
    def active(self) -> int:
        """Active accounts in scope, as read now."""
        return self.active_in_scope[0]

    @cached_property
    def protected(self) -> tuple[Decision, ...]:
        """A second look, apart from the decisions."""
        addresses = Addresses(self.policy)
        protection = Protection(self.policy, self.zoom.groups, addresses)
        return tuple(
            effect
            for effect in self.plan.effects
            if protection.exempt(
                effect.account,
                addresses.key(effect.account.email),
                [person for id_ in _owners(effect) if id_ is not None and (person := self.directory.find(id_)) is not None],
            )
            or protection.protected(effect.account, self._remembered_role(effect))
        )

    def _remembered_role(self, effect: Decision) -> str | None:
        last = self.history.deactivated.get(effect.account.zoom_id or "")
        return self.zoom.roles.get(last.role_id or "") if last is not None else None

    @cached_property
    def unreviewed(self) -> tuple[Decision, ...]:
        """Whom ``policy-changed`` waits for."""
        return unreviewed(self.history, self.plan, self.policy, self.now)

    @cached_property
    def match_percent(self) -> float:
        """Share of active accounts in scope that match anybody; 100 when there are none."""
        active, matched = self.active_in_scope
        return round(100 * matched / active, 2) if active else 100.0

    @cached_property
    def measures(self) -> dict[str, float]:
        """What later reads are compared with."""
        return {
            "people": len(self.directory.people),
            "entitled": self.entitled,
            "match_percent": self.match_percent,
            **{name: group.members for group in self.directory.groups for name in (group_measure(group), entry_measure(group))},
        }

    def bound_to(self, plan: Plan) -> Facts:
        """The same facts about the plan once it is bound to what its read guards measured; nothing is counted again."""
        bound = replace(self, plan=plan)
        known = {field.name for field in fields(self)}
        bound.__dict__.update({name: value for name, value in self.__dict__.items() if name not in known})
        return bound

    def agreed(self, guard: Guard) -> list[Approval]:
        """Approvals for this guard that run and count, under this policy, by as many people as it takes."""
        return agreed(self.history, guard, self.policy, self.now)

    @property
    def advice(self) -> str:
        """A cycle's plan passes by being reviewed; the command that does it is added when it would help."""
        return "Review the plan; if it is right, approve it."


@dataclass(frozen=True)
class HandFacts(Situation):
    """What the guards of a person's verb look at: their own effects, no directory, the account they name."""

    known_active: int  # active accounts in scope of the last good read
    found_protected: tuple[Decision, ...] = ()
    confirm_count: int | None = None
    even_paused: bool = False

    @property
    def active(self) -> int:
        """Active accounts in scope, of the last good read."""
        return self.known_active

    @property
    def protected(self) -> tuple[Decision, ...]:
        """As the caller found them."""
        return self.found_protected

    @property
    def confirmed(self) -> bool:
        """Whether the number said is the number of changes."""
        return self.confirm_count is not None and self.confirm_count == len(self.plan.effects)

    @property
    def while_paused(self) -> bool:
        """Whether the person said so."""
        return self.even_paused

    @property
    def asked(self) -> str:
        """A person asks; nothing was planned."""
        return "asked for"

    def covering(self, effect: Decision, guard: Guard) -> str:
        """What a person asks for is covered by an approval only where several people have to agree."""
        return super().covering(effect, guard) if self.needs_approval and guard is Guard.MAX_DEACTIVATIONS else ""

    @property
    def needs_approval(self) -> bool:
        """Whether a number said is not enough: with ``approvals.required: 2`` more deactivations than ``percent_floor`` need
        the approvals that a cycle's would. Giving access back never needs more than one person."""
        off = sum(effect.action is Action.DEACTIVATE for effect in self.plan.effects)
        return self.policy.approvals_required > 1 and off > self.policy.limits.percent_floor

    @property
    def advice(self) -> str:
        """The number is the way past, or the approval of several people."""
        if self.needs_approval:
            return (
                f"approvals.required asks for {self.policy.approvals_required} people: each says  syncd approve --plan "
                f"{self.plan.digest[:12]} --guard {Guard.MAX_DEACTIVATIONS.value} --by NAME --because TEXT ; then say this "
                f"again with --confirm-count {len(self.plan.effects)}"
            )
        return f"Check the list; if all of them are meant: add --confirm-count {len(self.plan.effects)}"


def _owners(effect: Decision) -> tuple[str | None, ...]:
    return effect.second_look.owners if effect.second_look is not None else (effect.directory_id,)


def group_measure(group: DirectoryGroup) -> str:
    """The name under which the size of a group, as an object of the directory, is remembered."""
    return f"group:{group.use.value}:{group.id}"


def entry_measure(group: DirectoryGroup) -> str:
    """The name under which the size of a group, as an entry of the configuration, is remembered: whatever object it means."""
    return f"size:{group.use.value}:{group.entry or group.name}"


def group_entry(group: DirectoryGroup) -> str:
    """The name under which it is remembered which object an entry of the configuration means."""
    return f"entry:{group.use.value}:{group.entry or group.name}"


def values_of(values: Mapping[str, float | str]) -> str:
    """Accepted values as people read them: ``entitled 34, people 40``."""
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, int | float) else f"{name} {value}" for name, value in sorted(values.items())
    )

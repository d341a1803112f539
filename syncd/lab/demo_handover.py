"""The demo's scene about what a leaver leaves: planned, approved by somebody else, run under an app of its own, confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import structs

from syncd.app import ending_zoom, handover_rules
from syncd.config import Config
from syncd.lab.zoom.operations import ALL_SCOPES
from syncd.lab.zoom.service import SimulatedZoom
from syncd.lab.zoom.tenant import Meeting
from syncd.model import Approval, Mode, Policy
from syncd.operations.dependencies import Dependencies
from syncd.operations.handover.approve import approve_handover
from syncd.operations.handover.plan import make_plan
from syncd.operations.handover.run import Ended, run_plan
from syncd.operations.manual import Request
from syncd.ports import Tell

#: The Zoom app that may delete users, and nothing else.
APP, SCOPE = "handover-app", "user:delete:user:admin"

WHY = "HR list of May"

SECTION = """\
# What becomes of a leaver's meetings and recordings; in production after: 90d.
handover:
  after: 1s
  end: delete
  receiver: {{from: manager, else: {receiver}}}
  leavers_file: "{folder}/left-for-good.csv"
  client_id: handover-app
  client_secret_file: "{folder}/handover-secret"
"""


def prepare(zoom: SimulatedZoom, folder: Path, secret: str, leaver: str, now: datetime) -> None:
    """Zoom has the second app, the first may not delete, HR's list of leavers is empty, and somebody has something to leave."""
    user = zoom.tenant.existing(leaver)
    planned = tuple(Meeting(id=92_000_000_000 + day, topic="Review", start_time=now + timedelta(days=day)) for day in (2, 9))
    kept = Meeting(id=92_000_000_100, topic="Handbook", start_time=now - timedelta(days=20), bytes=2_400_000)
    zoom.tenant.put(structs.replace(user, meetings=planned, recordings=(kept,)))
    zoom.oauth.more_apps[APP] = (secret, frozenset({SCOPE}))
    zoom.oauth.scopes = ALL_SCOPES - {SCOPE, "user:delete:user"}
    name(folder)


def name(folder: Path, *addresses: str) -> None:
    """HR names who left for good."""
    (folder / "left-for-good.csv").write_text("\n".join(("address", *addresses, "")), encoding="utf-8")


async def hand_over(deps: Dependencies, policy: Policy, config: Config, tell: Tell, address: str) -> tuple[dict[str, Any], Ended]:
    """The document of the plan, and how it ended. Raises SyncdError."""
    rules = handover_rules(config)
    while deps.clock.now() - max(one.at for one in (await deps.ledger.history()).deactivated.values()) < rules.after:
        await deps.clock.sleep(0.2)
    plan, document = await make_plan(deps, policy, rules, Mode.ENFORCE, [address])
    now = deps.clock.now()
    given = Approval(deps.clock.unique(), plan.digest, "", (), frozenset(), "Kim Roe", WHY, now, now)
    await approve_handover(deps, policy, await deps.ledger.history(), given, timedelta(hours=24), lambda one: one)
    async with deps.ledger.writer(30.0) as term, ending_zoom(config, deps.clock, tell) as ending:
        (ended,) = await run_plan(
            deps, policy, rules, Mode.ENFORCE, ending, plan.digest, Request("Ann Lee", WHY, confirm_count=1), term
        )
    return document, ended


def told(document: dict[str, Any], ended: Ended) -> Iterator[str]:
    """What the audience reads."""
    item, digest = document["items"][0], document["digest"][:12]
    yield (
        f"syncd handover plan: {item['holds']['meetings']} meetings and {item['holds']['recordings']} recording of "
        f"{item['email']} would go to {item['receiver']['email']}, and the account would be deleted. There is no undo, so:"
    )
    yield f'syncd approve --plan {digest} --guard handover --by "Kim Roe": one person approves exactly that,'
    yield f'syncd handover run --plan {digest} --confirm-count 1 --by "Ann Lee": and another one runs it.'
    yield (
        f"Checked once more, asked once, counted at the receiver: {ended.state}"
        f"{f', {ended.says}' if ended.says else ''}. Only the app of this verb may delete; the daemon's may not."
    )

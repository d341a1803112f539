"""Every failure that matters, as an alert on the state syncd is in, never on what happened within a window of so many hours.

So an alert is right at every interval: one minute, a day, or a cron expression of some nights. Three rules hold for all:

* *It works* (``SyncdNoGoodCycle``) and *all is done* (``SyncdLeaversOverdue``) are two alerts. A planned pause, a held plan and
  report mode keep the first quiet, since syncd reads and plans as it should, and are said by alerts of their own.
* Critical is only what somebody must act on now. What needs manual action is a warning.
* Nobody is accused whom syncd does not name: the source of an unreadable cycle is what syncd says it is.

Installations are told apart by namespace and job (and what else the settings say); of several replicas only the leader's view
counts, for a former leader shows for ever what it saw last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from settings import Settings

#: Guards with alerts of their own; by all others a plan waits for a decision.
SAID_ELSEWHERE = "paused|ledger-broken|ledger-new|ledger-rolled-back|clock-skew"
#: Results of cycles that did not get as far as a plan, or could not write.
UNREAD = 'result=~"unreadable|failed"'
#: Guards that only `syncd ledger accept` ends.
UNACCEPTED = 'guard=~"ledger-new|ledger-rolled-back"'
#: Guards that hold reactivations only: no leaver waits for them.
OF_RETURNS = "max-reactivations|max-reactivations-per-day"


@dataclass(frozen=True)
class Alert:
    """One rule. *lasting*: how long it must hold (``for``)."""

    name: str
    severity: str
    expr: str
    lasting: str
    summary: str
    description: str


def alerts(settings: Settings) -> list[Alert]:
    """All of them, the gravest subjects first."""
    s = settings.selector
    keys = ", ".join(("namespace", "job", *settings.also_by))  # what makes an installation

    def series(metric: str, *matchers: str, **equal: str) -> str:
        parts = (s, *matchers, *(f'{label}="{value}"' for label, value in equal.items()))
        return f"{metric}{{{', '.join(part for part in parts if part)}}}"

    def of_leader(shown: str) -> str:
        return f"{shown} and on ({keys}, instance) {series('syncd_leader')} == 1"

    def known(shown: str) -> str:
        """What the leader shows, or anybody while none leads: for what may itself keep everybody from leading."""
        return f"({of_leader(shown)} or {shown} unless on ({keys}) {series('syncd_leader')} == 1)"

    def led(metric: str, *matchers: str, by: str = keys, **equal: str) -> str:
        """A state of the plan as the leader sees it; a former leader may still show another."""
        return f"max by ({by}) ({of_leader(series(metric, *matchers, **equal))})"

    def guards(matcher: str) -> str:
        return led("syncd_guard_tripped", matcher, by=f"{keys}, guard")

    def lately(metric: str) -> str:
        """As it was last shown, so that a process which dies again and again hides nothing between two lives."""
        return f"last_over_time({series(metric)}[15m])"

    interval = f"max by ({keys}) ({lately('syncd_interval_seconds')})"
    # Where there never was a good cycle: since the oldest start of a process within a week, so that neither the first scrape
    # nor a loop of restarts hides it.
    never = (
        f"min by ({keys}) (min_over_time({series('process_start_time_seconds')}[7d]) "
        f"and on ({keys}) {lately('syncd_build_info')})"
    )
    since_good = f"(time() - (max by ({keys}) ({lately('syncd_last_good_cycle_timestamp_seconds')}) > 0 or {never}))"
    # Changes are made in a cycle only after its plan, which may take hours for an approved one; looks make them too, so the
    # last cycle must have read both sides.
    at_work = (
        f"(sum by ({keys}) (increase({series('syncd_effects_total', result='done')}[15m])) > 0\n"
        f"unless on ({keys}) {led('syncd_cycles_in_a_row', UNREAD)} > 0)"
    )

    def again(result: str) -> str:
        """Two cycles in a row ended so, or one where the next is an hour or more away."""
        row = led("syncd_cycles_in_a_row", result=result)
        return f"({row} >= 2 or ({row} >= 1 and on ({keys}) {interval} >= 3600))"

    def unreadable(source: str) -> str:
        return (
            f"{led('syncd_unreadable', source=source)} == 1\n"
            f"and on ({keys}) {again('unreadable')}\nand on ({keys}) {since_good} > 900"
        )

    # Held now or within two hours: what is set free is long due already, and carrying it out takes its time.
    held = series("syncd_guard_tripped", f'guard!~"{OF_RETURNS}"')
    deactivations_held = f"max by ({keys}) ({of_leader(f'max_over_time({held}[2h])')})"
    decisions, unaccepted = guards(f'guard!~"{SAID_ELSEWHERE}"'), guards(UNACCEPTED)
    absent = f"\nor absent({series('up')})" if settings.expected else ""
    expiry = series("syncd_credential_expiry_timestamp_seconds")

    def expiring(severity: str, bounds: str, words: str) -> Alert:
        return Alert(
            "SyncdCredentialExpiring",
            severity,
            bounds,
            "15m",
            f"The credential {{{{ $labels.credential }}}} expires in {words}",
            "It stops working in {{ $value | humanizeDuration }}; from then on nothing can be read and nothing is changed. A new "
            "one in the Secret is picked up without a restart.",
        )

    throttled = f"increase({series('syncd_http_requests_total', answer='throttled')}[30m])"
    waited = f"increase({series('syncd_http_wait_seconds_total', cause='retry_after')}[30m])"
    left = f"min by ({keys}, credential) ({known(expiry)} - time())"
    return [
        Alert(
            "SyncdDown",
            "critical",
            f"group by ({keys}) (max_over_time({series('up')}[1d]))\n"
            f"unless on ({keys}) (max by ({keys}) (avg_over_time({series('up')}[5m]) and {series('up')}) > 0.5){absent}",
            "10m",
            "syncd is down, dies again and again, or is not scraped",
            "For ten minutes no replica of syncd answered Prometheus more often than not. While it is down nobody who leaves "
            "is locked out.",
        ),
        Alert(
            "SyncdReplicaDown",
            "warning",
            f"{series('up')} == 0 and on ({keys}) max by ({keys}) ({series('up')}) == 1",
            "15m",
            "A replica of syncd is down",
            "{{ $labels.instance }} does not answer; another replica does. If that one fails too, nobody is left.",
        ),
        Alert(
            "SyncdNoGoodCycle",
            "critical",
            f"{since_good} > 2 * {interval} + 900\nunless on ({keys}) {at_work}",
            "5m",
            "syncd does not work: no whole read and plan for more than two intervals",
            "The last cycle that read both sides whole and made a plan is {{ $value | humanizeDuration }} ago. Leavers may "
            "still have access. Whatever is merely held, paused or reported does not ring here.",
        ),
        Alert(
            "SyncdDirectoryUnreadable",
            "warning",
            unreadable("directory"),
            "0m",
            "The directory cannot be read whole",
            "Cycles end unreadable, and it is the directory. Nothing is changed until a read is whole again.",
        ),
        Alert(
            "SyncdZoomUnreadable",
            "warning",
            unreadable("zoom"),
            "0m",
            "Zoom cannot be read whole",
            "Cycles end unreadable, and it is Zoom. Nothing is changed until a read is whole again.",
        ),
        Alert(
            "SyncdConfigurationUnreadable",
            "warning",
            unreadable("configuration"),
            "0m",
            "A secret or file of syncd's configuration cannot be read",
            "A mounted secret is missing or empty. Nothing is changed until it is there again.",
        ),
        Alert(
            "SyncdCycleFailed",
            "critical",
            again("failed"),
            "10m",
            "Cycles of syncd fail",
            "The ledger could not be written, or syncd met a fault of its own. Nothing is changed without a ledger.",
        ),
        Alert(
            "SyncdLeaversOverdue",
            "critical",
            f"time() - ({led('syncd_oldest_overdue_timestamp_seconds')} > 0) > clamp_min(2 * {interval}, 7200)\n"
            f"and on ({keys}) {led('syncd_mode', mode='enforce')} == 1\n"
            f"unless on ({keys}) {led('syncd_paused')} == 1\n"
            f"unless on ({keys}) {deactivations_held} == 1",
            "10m",
            "A leaver is overdue",
            "The deactivation that is longest overdue was due {{ $value | humanizeDuration }} ago and is not done, and nobody "
            "was asked to decide.",
        ),
        Alert(
            "SyncdHeld",
            "warning",
            f"{decisions} == 1",
            "5m",
            "syncd is held by the guard {{ $labels.guard }}",
            "The plan trips {{ $labels.guard }}; what it guards is not carried out until the cause is gone or a person "
            "approves the plan. Nothing is changed while it is held.",
        ),
        Alert(
            "SyncdEffectsFailing",
            "warning",
            f"{led('syncd_effects_failing')} > 0",
            "0m",
            "Changes of {{ $value }} accounts fail in cycle after cycle",
            "Zoom refuses or does not carry out their change in two cycles or more. All others go on.",
        ),
        Alert(
            "SyncdNeedsManualAction",
            "warning",
            f"{led('syncd_manual_unacknowledged')} > 0",
            "1h",
            "{{ $value }} accounts need manual action",
            "syncd cannot or may not change them by itself. They keep their access until somebody acts, or acknowledges them "
            "(syncd account acknowledge).",
        ),
        Alert(
            "SyncdDirectoryUnclear",
            "warning",
            f"{led('syncd_directory_unclear_people')} > 0",
            "1h",
            "{{ $value }} people of the directory cannot be read",
            "Their accounts are kept as they are. syncd plan names them with the cause.",
        ),
        Alert(
            "SyncdNobodyInScope",
            "warning",
            f"{led('syncd_accounts_in_scope')} == 0 and on ({keys}) "
            f"max by ({keys}) ({series('syncd_last_good_cycle_timestamp_seconds')}) > 0",
            "15m",
            "No account of Zoom is in scope",
            "syncd works and can never change anybody. scope.domains may be misspelt; syncd check shows the domains seen.",
        ),
        Alert(
            "SyncdLedgerBroken",
            "critical",
            f"max by ({keys}) ({known(series('syncd_guard_tripped', guard='ledger-broken'))}) == 1",
            "0m",
            "The ledger does not verify",
            "Its chain is not intact: it was damaged or tampered with. Nothing is changed any more.",
        ),
        Alert(
            "SyncdLedgerNotAccepted",
            "critical",
            f"{unaccepted} == 1",
            "0m",
            "The ledger is {{ $labels.guard }}",
            "It was begun anew, or an older one was put back: holds, pauses and memory may be lost. Everything is held until "
            "somebody checked and said syncd ledger accept.",
        ),
        # A standby knows the head of its start only; it learns the newest one with its first cycle as the leader. 0: not open.
        Alert(
            "SyncdLedgerShorter",
            "critical",
            f"max by ({keys}) ({series('syncd_ledger_head_sequence')} > 0)\n"
            f"< max by ({keys}) (max_over_time({series('syncd_ledger_head_sequence')}[1d]))\n"
            f"unless on ({keys}) max by ({keys}) (max_over_time({series('syncd_guard_tripped', UNACCEPTED)}[1d])) == 1",
            "30m",
            "The ledger is shorter than it was",
            "Its last entry is number {{ $value }}, and a higher one was seen within the day: an old copy was put back, or the "
            "tail was cut off, and no guard noticed. The chain alone cannot show this.",
        ),
        Alert(
            "SyncdNoLeader",
            "critical",
            f"max by ({keys}) ({series('syncd_leader')}) == 0",
            "5m",
            "No replica of syncd leads",
            "Replicas run, but none may change anything: neither holds the Lease or the ledger's writer lock.",
        ),
        Alert(
            "SyncdTwoLeaders",
            "critical",
            f"sum by ({keys}) ({series('syncd_leader')}) > 1",
            "2m",
            "{{ $value }} replicas of syncd believe that they lead",
            "The ledger refuses the older one, so nothing is done twice, but this must not be.",
        ),
        Alert(
            "SyncdPaused",
            "warning",
            f"{led('syncd_paused')} == 1",
            "4h",
            "syncd has been paused for four hours",
            "An operator stopped all changes with syncd pause; leavers keep their access until syncd resume.",
        ),
        Alert(
            "SyncdThrottled",
            "warning",
            f"sum by ({keys}, service) ({throttled}) > 20\nor sum by ({keys}, service) ({waited}) > 300",
            "0m",
            "{{ $labels.service }} throttles syncd",
            "Requests to {{ $labels.service }} are refused for asking too fast, or wait for minutes. Others use the same "
            "limits, or the share is too large.",
        ),
        expiring("info", f"({left} < 30 * 86400) >= 7 * 86400", "less than 30 days"),
        expiring("warning", f"({left} < 7 * 86400) >= 1 * 86400", "less than 7 days"),
        expiring("critical", f"{left} < 1 * 86400", "less than a day"),
        Alert(
            "SyncdClockSkew",
            "warning",
            f"max by ({keys}, service) (abs({known(series('syncd_clock_offset_seconds'))}) > 120)",
            "15m",
            "The clock differs by {{ $value | humanizeDuration }} from {{ $labels.service }}'s",
            "Beyond guards.max_clock_skew (5 minutes unless configured) everything is held, since grace and expiry cannot be "
            "judged.",
        ),
        Alert(
            "SyncdClockSkew",
            "critical",
            f"{led('syncd_guard_tripped', guard='clock-skew')} == 1",
            "5m",
            "syncd is held because its clock and a service's differ too much",
            "The difference is beyond guards.max_clock_skew: grace and expiry cannot be judged, so everything is held.",
        ),
        Alert(
            "SyncdWatchDegraded",
            "warning",
            f"{led('syncd_watch_degraded')} == 1",
            "30m",
            "syncd cannot watch the directory",
            "Leavers go with the next whole cycle instead of within seconds. The log and "
            "the status page say why; it is tried again by itself.",
        ),
        Alert(
            "SyncdWitnessMissing",
            "warning",
            f"{led('syncd_witness_effects', state='missing')} > 0",
            "0m",
            "{{ $value }} changes were seen by nobody but syncd",
            "Neither an event nor Zoom's operation log shows them, though the log was read whole over that time.",
        ),
        Alert(
            "SyncdForeignChange",
            "warning",
            f"{led('syncd_witness_effects', state='foreign')} > 0",
            "0m",
            "{{ $value }} accounts were changed by somebody else",
            "Zoom reports a change of status, type, role or existence of an account in scope that is not syncd's.",
        ),
        Alert(
            "SyncdHandoverUnconfirmed",
            "warning",
            f"{led('syncd_handover_accounts', stage='unconfirmed')} > 0",
            "0m",
            "{{ $value }} handovers ended without a clear answer",
            "The request was sent and its end is not known. It is never repeated blindly: syncd handover list, then look at "
            "Zoom.",
        ),
    ]


def rules(settings: Settings) -> dict[str, Any]:
    """A plain rule file of Prometheus."""
    return {
        "groups": [
            {
                "name": "syncd",
                "rules": [
                    {
                        "alert": one.name,
                        "expr": one.expr,
                        "for": one.lasting,
                        "labels": {"severity": settings.severities[one.severity], **settings.labels},
                        "annotations": {
                            "summary": one.summary,
                            "description": one.description,
                            "runbook_url": f"{settings.runbook_base}/{one.name}.md",
                        },
                    }
                    for one in alerts(settings)
                ],
            }
        ]
    }

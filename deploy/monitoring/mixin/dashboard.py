"""The dashboard: is it well, what it sees and plans, what it does, who else saw it, how it gets there.

Each panel is a line here: kind, title, width, what it means, unit, queries. Rows follow one another; places are counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from settings import Settings

SELECT = 'namespace=~"$namespace", job=~"$job", instance=~"$instance"'
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
YES_NO = [{"type": "value", "options": {"0": {"text": "no", "index": 0}, "1": {"text": "YES", "index": 1}}}]


@dataclass(frozen=True)
class Panel:
    """*queries*: (expression with ``S`` for the selector, legend). *steps*: colours from a value on. *alert*: whose runbook it
    links to."""

    kind: str
    title: str
    width: int
    says: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "none"
    steps: tuple[tuple[str, float | None], ...] = (("green", None),)
    yes_no: bool = False
    decimals: int | None = None
    stacked: bool = False
    name_only: bool = False
    alert: str = ""
    height: int = 8


@dataclass(frozen=True)
class Row:
    """A headline with its panels."""

    title: str
    panels: tuple[Panel, ...] = field(default_factory=tuple)


def stat(title: str, width: int, says: str, expr: str, legend: str = "", **more: Any) -> Panel:
    """One number, *width* columns wide (the board has 24)."""
    return Panel("stat", title, width, says, ((expr, legend),), **{"height": 4, **more})


def lines(title: str, width: int, says: str, *queries: tuple[str, str], unit: str = "short", **more: Any) -> Panel:
    """Lines over time, one for each of the *queries* (expression, legend); *unit* as Grafana names it."""
    return Panel("timeseries", title, width, says, queries, unit, **more)


_ALARM = (("green", None), ("orange", 1.0))

ROWS = (
    Row(
        "Is it well?",
        (
            stat(
                "Last good cycle",
                4,
                "Age of the last cycle that read both sides whole and made a plan. Decades: never.",
                "time() - max(syncd_last_good_cycle_timestamp_seconds{S})",
                unit="s",
                decimals=0,
                alert="SyncdNoGoodCycle",
            ),
            stat(
                "Last success",
                4,
                "Age of the last cycle that did all there was to do.",
                "time() - max(syncd_last_success_timestamp_seconds{S})",
                unit="s",
                decimals=0,
            ),
            stat(
                "Next cycle in",
                3,
                "Negative while one runs.",
                "max(syncd_next_cycle_timestamp_seconds{S}) - time()",
                unit="s",
                decimals=0,
            ),
            stat(
                "Leaders",
                2,
                "Exactly one for each installation.",
                "sum(syncd_leader{S})",
                steps=(("red", None), ("green", 1.0), ("red", 2.0)),
                alert="SyncdTwoLeaders",
            ),
            stat(
                "Held",
                2,
                "Whether the last plan is held by a guard.",
                "max(syncd_held{S})",
                steps=_ALARM,
                yes_no=True,
                alert="SyncdHeld",
            ),
            stat(
                "Paused",
                2,
                "Whether an operator stopped all changes.",
                "max(syncd_paused{S})",
                steps=_ALARM,
                yes_no=True,
                alert="SyncdPaused",
            ),
            stat(
                "Overdue for",
                3,
                "How long the longest overdue deactivation has been due; 0: nothing is overdue.",
                "max((time() - syncd_oldest_overdue_timestamp_seconds{S})"
                " * (syncd_oldest_overdue_timestamp_seconds{S} > bool 0))",
                unit="s",
                decimals=0,
                steps=(("green", None), ("orange", 3600.0), ("red", 7200.0)),
                alert="SyncdLeaversOverdue",
            ),
            stat(
                "Mode",
                2,
                "enforce changes Zoom, report never does.",
                "max by (mode) (syncd_mode{S}) == 1",
                "{{mode}}",
                name_only=True,
            ),
            stat(
                "Version",
                2,
                "What runs; two during a roll-out.",
                "sum by (version) (syncd_build_info{S})",
                "{{version}}",
                name_only=True,
            ),
            Panel(
                "state-timeline",
                "Guards that trip",
                12,
                "A bar while a guard held the last plan.",
                (("max by (guard) (syncd_guard_tripped{S})", "{{guard}}"),),
                steps=(("transparent", None), ("orange", 1.0)),
                yes_no=True,
                height=9,
                alert="SyncdHeld",
            ),
            Panel(
                "state-timeline",
                "Unreadable",
                4,
                "A bar while the last cycle could not read this side.",
                (("max by (source) (syncd_unreadable{S})", "{{source}}"),),
                steps=(("transparent", None), ("red", 1.0)),
                yes_no=True,
                height=9,
                alert="SyncdDirectoryUnreadable",
            ),
            lines(
                "Cycles by result, per hour",
                8,
                "in_step, applied and (report mode) planned are good.",
                ("sum by (result) (increase(syncd_cycles_total{S}[1h]))", "{{result}}"),
                stacked=True,
                height=9,
            ),
        ),
    ),
    Row(
        "What it sees and plans",
        (
            lines(
                "Zoom accounts",
                6,
                "In the last whole read.",
                ("max by (status) (syncd_zoom_accounts{S})", "{{status}}"),
                ("max(syncd_accounts_in_scope{S})", "in scope"),
            ),
            lines(
                "Directory",
                6,
                "In the last whole read. A cliff is what the guards are for.",
                ("max(syncd_directory_people{S})", "people"),
                ("max(syncd_directory_entitled{S})", "entitled"),
                ("max(syncd_directory_unclear_people{S})", "unclear"),
            ),
            lines(
                "Planned changes", 6, "What the last plan asks for.", ("max by (action) (syncd_planned_effects{S})", "{{action}}")
            ),
            lines(
                "Needs manual action",
                6,
                "What syncd cannot or may not do by itself, and what nobody acknowledged.",
                ("max by (reason) (syncd_manual_accounts{S})", "{{reason}}"),
                ("max(syncd_manual_unacknowledged{S})", "unacknowledged"),
                alert="SyncdNeedsManualAction",
            ),
            lines(
                "In or out by exception",
                8,
                "Leavers who are exempt, and entitled people whose account is off.",
                ("max(syncd_exempt_leavers{S})", "exempt leavers"),
                ("max by (reason) (syncd_entitled_inactive_accounts{S})", "entitled, inactive: {{reason}}"),
            ),
            lines("Licences", 8, "Seats, where Zoom tells.", ("max by (state) (syncd_licences{S})", "{{state}}")),
            lines(
                "Handover",
                8,
                "Leavers' content by stage.",
                ("max by (stage) (syncd_handover_accounts{S})", "{{stage}}"),
                alert="SyncdHandoverUnconfirmed",
            ),
        ),
    ),
    Row(
        "What it does",
        (
            lines(
                "Changes, per hour",
                9,
                "By action and how they ended.",
                ("sum by (action, result) (increase(syncd_effects_total{S}[1h]))", "{{action}} {{result}}"),
                stacked=True,
            ),
            lines(
                "From gone to locked out",
                8,
                "Median and 95th percentile over a day.",
                ("histogram_quantile(0.5, sum by (le) (increase(syncd_offboarding_delay_seconds_bucket{S}[1d])))", "median"),
                ("histogram_quantile(0.95, sum by (le) (increase(syncd_offboarding_delay_seconds_bucket{S}[1d])))", "95 %"),
                unit="s",
            ),
            stat(
                "Failing accounts",
                2,
                "Accounts whose change failed in two cycles or more.",
                "max(syncd_effects_failing{S})",
                steps=_ALARM,
                height=8,
                alert="SyncdEffectsFailing",
            ),
            stat(
                "Licences set free, 30 days",
                3,
                "By deactivations.",
                "sum(increase(syncd_licences_released_total{S}[30d]))",
                decimals=0,
                height=8,
            ),
            stat(
                "Ledger entries",
                2,
                "Number of the last entry; it never falls.",
                "max(syncd_ledger_head_sequence{S})",
                decimals=0,
                height=8,
                alert="SyncdLedgerShorter",
            ),
        ),
    ),
    Row(
        "Seconds, and who else saw it",
        (
            lines(
                "Signals of the watch, per minute",
                8,
                "Changes noticed, by source.",
                ("sum by (source) (rate(syncd_watch_signals_total{S}[$__rate_interval])) * 60", "{{source}}"),
            ),
            lines(
                "From seen to changed",
                6,
                "95th percentile over a day: change seen by the watch to change made.",
                ("histogram_quantile(0.95, sum by (le) (increase(syncd_watch_lag_seconds_bucket{S}[1d])))", "95 %"),
                unit="s",
            ),
            stat(
                "Watch degraded",
                2,
                "Whether leavers wait for the next whole cycle.",
                "max(syncd_watch_degraded{S})",
                steps=_ALARM,
                yes_no=True,
                height=8,
                alert="SyncdWatchDegraded",
            ),
            lines(
                "Changes seen by others",
                8,
                "Confirmed by Zoom's events or log, waiting, missing, and changes of others.",
                ("max by (state) (syncd_witness_effects{S})", "{{state}}"),
                alert="SyncdForeignChange",
            ),
        ),
    ),
    Row(
        "How it gets there",
        (
            lines(
                "Duration of cycles and phases",
                8,
                "Averages over an hour.",
                (
                    (
                        "sum(increase(syncd_cycle_duration_seconds_sum{S}[1h])) / "
                        "sum(increase(syncd_cycle_duration_seconds_count{S}[1h]))"
                    ),
                    "cycle",
                ),
                (
                    (
                        "sum by (phase) (increase(syncd_phase_duration_seconds_sum{S}[1h])) / sum by (phase) "
                        "(increase(syncd_phase_duration_seconds_count{S}[1h]))"
                    ),
                    "{{phase}}",
                ),
                unit="s",
            ),
            lines(
                "Requests, per second",
                8,
                "By service and answer.",
                ("sum by (service, answer) (rate(syncd_http_requests_total{S}[$__rate_interval]))", "{{service}} {{answer}}"),
                unit="reqps",
                stacked=True,
            ),
            lines(
                "Answers, 95th percentile",
                8,
                "How long services take to answer; waits before sending excepted.",
                (
                    (
                        "histogram_quantile(0.95, sum by (service, le)"
                        " (increase(syncd_http_request_duration_seconds_bucket{S}[1h])))"
                    ),
                    "{{service}}",
                ),
                unit="s",
            ),
            lines(
                "Time spent waiting",
                8,
                "Seconds a second that requests waited before they were sent, by cause.",
                ("sum by (service, cause) (rate(syncd_http_wait_seconds_total{S}[$__rate_interval]))", "{{service}} {{cause}}"),
                unit="s",
                stacked=True,
                alert="SyncdThrottled",
            ),
            lines(
                "Repeated requests, per hour",
                8,
                "By reason.",
                ("sum by (service, reason) (increase(syncd_http_retries_total{S}[1h]))", "{{service}} {{reason}}"),
                stacked=True,
            ),
            lines(
                "Clocks",
                4,
                "A service's clock minus ours.",
                ("max by (service) (syncd_clock_offset_seconds{S})", "{{service}}"),
                unit="s",
                alert="SyncdClockSkew",
            ),
            lines(
                "Credentials end in",
                4,
                "Not known: no line.",
                ("min by (credential) (syncd_credential_expiry_timestamp_seconds{S} - time())", "{{credential}}"),
                unit="s",
                alert="SyncdCredentialExpiring",
            ),
        ),
    ),
)


def dashboard(settings: Settings) -> dict[str, Any]:
    """Grafana's JSON."""
    panels: list[dict[str, Any]] = []
    y = 0
    for row in ROWS:
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "panels": [],
                "gridPos": {"h": 1, "w": 24, "x": 0, "y": y},
            }
        )
        y += 1
        x = height = 0
        for panel in row.panels:
            if x + panel.width > 24:
                x, y, height = 0, y + height, 0
            panels.append(_shown(panel, len(panels) + 1, {"h": panel.height, "w": panel.width, "x": x, "y": y}, settings))
            x, height = x + panel.width, max(height, panel.height)
        y += height
    return {
        "title": "syncd",
        "uid": "syncd",
        "description": "Zoom accounts in step with the company directory.",
        "tags": ["syncd"],
        "timezone": "utc",
        "editable": True,
        "schemaVersion": 39,
        "version": 2,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "type": "datasource",
                    "query": "prometheus",
                    "label": "Data source",
                    "current": {},
                    "hide": 0,
                    "includeAll": False,
                    "multi": False,
                    "options": [],
                    "refresh": 1,
                },
                *(
                    _variable(*each)
                    for each in (
                        ("namespace", "Namespace", "label_values(syncd_build_info, namespace)"),
                        ("job", "Installation", 'label_values(syncd_build_info{namespace=~"$namespace"}, job)'),
                        ("instance", "Replica", 'label_values(syncd_build_info{namespace=~"$namespace", job=~"$job"}, instance)'),
                    )
                ),
            ]
        },
        "annotations": {"list": []},
        "links": [
            {
                "title": "Runbooks",
                "type": "link",
                "url": settings.runbook_base,
                "targetBlank": True,
                "icon": "doc",
                "asDropdown": False,
                "includeVars": False,
                "keepTime": False,
                "tags": [],
                "tooltip": "",
            }
        ],
        "panels": panels,
    }


def _variable(name: str, label: str, query: str) -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "label": label,
        "datasource": SOURCE,
        "query": {"query": query, "refId": "A"},
        "definition": query,
        "current": {"text": "All", "value": "$__all"},
        "hide": 0,
        "includeAll": True,
        "multi": True,
        "options": [],
        "refresh": 2,
        "sort": 1,
    }


def _shown(panel: Panel, number: int, place: dict[str, int], settings: Settings) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": [{"color": color, "value": value} for color, value in panel.steps]},
        "mappings": YES_NO if panel.yes_no else [],
    }
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    if panel.kind == "timeseries":
        defaults["custom"] = {
            "drawStyle": "line",
            "lineInterpolation": "stepAfter",
            "fillOpacity": 20 if panel.stacked else 5,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        }
    options: dict[str, Any] = {
        "stat": {
            "colorMode": "background",
            "graphMode": "none",
            "justifyMode": "auto",
            "textMode": "name" if panel.name_only else "auto",
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        },
        "state-timeline": {
            "mergeValues": True,
            "showValue": "never",
            "rowHeight": 0.8,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
            "tooltip": {"mode": "single", "sort": "none"},
        },
        "timeseries": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }[panel.kind]
    links = [{"title": panel.alert, "url": f"{settings.runbook_base}/{panel.alert}.md", "targetBlank": True}]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "links": links if panel.alert else [],
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "expr": expr.replace("{S}", f"{{{SELECT}}}"),
                "legendFormat": legend,
                "editorMode": "code",
                **({"instant": True} if panel.kind == "stat" else {"range": True}),
            }
            for index, (expr, legend) in enumerate(panel.queries)
        ],
    }

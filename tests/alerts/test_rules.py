"""Alert rules by themselves: each one fires when it should and keeps quiet when it should, and says what to do."""

from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from syncd import __version__
from syncd.cli import syncd
from syncd.observe.metrics import Metrics
from tests.alerts.situations import INTERVALS, NAMESPACES, SITUATIONS, Courses, State
from tests.alerts.watching import MONITORING, ROOT, alerts, shipped_rules, tool, written

CASES: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "cases.yaml").read_text(encoding="utf-8"))
RULES = shipped_rules()
NAMES = sorted({alert["alert"] for alert in alerts(RULES)})
RUNBOOKS = ROOT / "deploy" / "runbooks"

RULES_BARE = json.loads(json.dumps(RULES))
for _alert in alerts(RULES_BARE):
    del _alert["annotations"]  # seen end to end


def table_of(interval: str) -> dict[str, Any]:
    """promtool's test of every situation at one interval, every alert asked for at every moment."""
    courses = Courses(INTERVALS[interval])
    looks = [
        {
            "eval_time": f"{at}s",
            "alertname": name,
            "exp_alerts": [
                {"exp_labels": labels_of(name, alerts_then[name], namespace)}
                for namespace, alerts_then in expected.items()
                if name in alerts_then
            ],
        }
        for at, expected in courses.moments()
        for name in NAMES
        if name != "SyncdCredentialExpiring"
    ]
    return {
        "evaluation_interval": f"{courses.step}s",
        "tests": [
            {
                "name": f"every {interval}",
                "interval": f"{courses.step}s",
                "alert_rule_test": looks,
                "input_series": [{"series": name, "values": values} for name, values in courses.series().items()],
            }
        ],
    }


def labels_of(name: str, severity: str, namespace: str) -> dict[str, str]:
    """Of the one alert expected."""
    labels = {"job": "syncd", "namespace": namespace, "severity": severity}
    if name in ("SyncdHeld", "SyncdLedgerNotAccepted"):
        state = State()
        NAMESPACES[namespace].change(state, 0, 1)
        (labels["guard"],) = state.guards
    if name == "SyncdClockSkew" and severity == "warning":
        labels["service"] = "zoom"
    return labels


@pytest.mark.parametrize("interval", INTERVALS)
def test_every_page_is_right_at_every_interval(interval: str, tmp_path: Path) -> None:
    """The table of situations.py: what must ring rings, and nothing else does."""
    cases = written(
        tmp_path, "cases.yml", {"rule_files": [str(written(tmp_path, "rules.yml", RULES_BARE))], **table_of(interval)}
    )

    ran = tool("promtool", "test", "rules", cases)

    assert (0, "") == (ran.returncode, ran.stderr)


def test_special_courses_come_out_as_written(tmp_path: Path) -> None:
    """What no interval changes: replicas, installations, credentials, throttling."""
    cases = written(tmp_path, "cases.yml", {"rule_files": [str(written(tmp_path, "rules.yml", RULES_BARE))], **CASES})

    ran = tool("promtool", "test", "rules", cases)

    assert (0, "") == (ran.returncode, ran.stderr)


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(name: str) -> None:
    """With every severity it has; the table asks for every alert in every situation."""
    looks = [look for case in CASES["tests"] for look in case["alert_rule_test"] if look["alertname"] == name]
    fired = {expected["exp_labels"]["severity"] for look in looks for expected in look.get("exp_alerts", [])}
    fired |= {situation.late[name] for situation in SITUATIONS if name in situation.late}
    quiet = [look for look in looks if not look.get("exp_alerts")] or [one for one in SITUATIONS if name not in one.late]

    assert {alert["labels"]["severity"] for alert in alerts(RULES) if alert["alert"] == name} == fired
    assert quiet


def test_the_shipped_files_are_what_the_mixin_makes() -> None:
    """Rules, dashboard, the chart's copies and the list of runbooks: `make tables`."""
    made = runpy.run_path(str(MONITORING / "mixin" / "__main__.py"))["shipped"]()

    assert [] == [path.name for path, text in made.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]


def test_a_user_s_settings_reach_every_rule(tmp_path: Path) -> None:
    """Selector, runbooks, severities, labels; what is written passes promtool's strictest look."""
    ran = tool(
        sys.executable,
        MONITORING / "mixin",
        "--out",
        tmp_path,
        "--selector",
        'job="zoom", namespace="it"',
        "--many",
        "--runbook-base",
        "https://wiki.corp.example/s",
        "--severity",
        "critical=page",
        "--label",
        "team=it",
    )
    assert (0, "") == (ran.returncode, ran.stderr)
    made = yaml.safe_load((tmp_path / "prometheus-rules.yaml").read_text(encoding="utf-8"))

    checked = tool("promtool", "check", "rules", "--lint=all", "--lint-fatal", tmp_path / "prometheus-rules.yaml")
    assert 0 == checked.returncode, checked.stderr
    assert {"page", "warning", "info"} == {alert["labels"]["severity"] for alert in alerts(made)}
    assert {"it"} == {alert["labels"]["team"] for alert in alerts(made)}
    assert {alert["annotations"]["runbook_url"] for alert in alerts(made)} == {
        f"https://wiki.corp.example/s/{name}.md" for name in NAMES
    }
    assert 'job="syncd"' not in json.dumps(made)
    assert "absent(" not in json.dumps(made)


def test_clusters_under_one_ruler_are_told_apart(tmp_path: Path) -> None:
    """The same namespace and job in two clusters are two installations: no two leaders, and the one that is down rings."""
    ran = tool(sys.executable, MONITORING / "mixin", "--out", tmp_path, "--many", "--also-by", "cluster")
    assert (0, "") == (ran.returncode, ran.stderr)
    made = yaml.safe_load((tmp_path / "prometheus-rules.yaml").read_text(encoding="utf-8"))
    for alert in alerts(made):
        del alert["annotations"]
    labels = 'job="syncd", namespace="syncd", instance="a"'
    down = {"exp_labels": {"cluster": "west", "job": "syncd", "namespace": "syncd", "severity": "critical"}}
    cases = written(
        tmp_path,
        "cases.yml",
        {
            "rule_files": [str(written(tmp_path, "rules.yml", made))],
            "tests": [
                {
                    "interval": "1m",
                    "input_series": [
                        {"series": f'up{{{labels}, cluster="east"}}', "values": "1x60"},
                        {"series": f'syncd_leader{{{labels}, cluster="east"}}', "values": "1x60"},
                        {"series": f'up{{{labels}, cluster="west"}}', "values": "1x20 0x40"},
                        {"series": f'syncd_leader{{{labels}, cluster="west"}}', "values": "1x20 stale"},
                    ],
                    "alert_rule_test": [
                        {"eval_time": "15m", "alertname": "SyncdTwoLeaders"},
                        {"eval_time": "50m", "alertname": "SyncdReplicaDown"},
                        {"eval_time": "50m", "alertname": "SyncdDown", "exp_alerts": [down]},
                    ],
                }
            ],
        },
    )

    tested = tool("promtool", "test", "rules", cases)

    assert (0, "") == (tested.returncode, tested.stderr)


def test_the_rules_pass_the_strictest_look(tmp_path: Path) -> None:
    """`promtool check rules --lint=all`."""
    ran = tool("promtool", "check", "rules", "--lint=all", "--lint-fatal", written(tmp_path, "rules.yml", RULES))

    assert (0, "") == (ran.returncode, ran.stderr)


@pytest.mark.parametrize("alert", alerts(RULES), ids=lambda alert: f"{alert['alert']}-{alert['labels']['severity']}")
def test_an_alert_says_what_it_means_and_where_to_read_on(alert: dict[str, Any]) -> None:
    """Severity, summary, description, and a runbook that exists under its name."""
    assert {"severity"} == set(alert["labels"])
    assert alert["labels"]["severity"] in {"critical", "warning", "info"}
    assert {"summary", "description", "runbook_url"} == set(alert["annotations"])
    assert len(alert["annotations"]["description"]) > len(alert["annotations"]["summary"]) > 10
    assert alert["annotations"]["runbook_url"].endswith(f"/deploy/runbooks/{alert['alert']}.md")
    assert (RUNBOOKS / f"{alert['alert']}.md").is_file()


def test_there_is_no_runbook_without_an_alert() -> None:
    """A renamed alert takes its runbook along."""
    assert NAMES == sorted(path.stem for path in RUNBOOKS.glob("Syncd*.md"))


@pytest.mark.parametrize("name", NAMES)
def test_a_runbook_says_what_to_look_at_and_what_to_do(name: str) -> None:
    """Four headings, a block of commands, steps; its links lead somewhere and its verbs exist."""
    text = (RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")

    assert [f"# {name}", "## What it means", "## Look", "## Do", "## Well again"] == re.findall(r"(?m)^##? .*$", text)
    assert "```sh\n" in text
    assert re.search(r"(?m)^\* ", text)
    assert [] == [link for link in re.findall(r"\]\(([^)]+)\)", text) if not (RUNBOOKS / link).is_file()]
    verbs = set(re.findall(r"(?:-- |`)syncd ([a-z]+)", text))
    assert set() == verbs - set(syncd.commands)


def test_rules_and_dashboard_name_only_metrics_that_exist() -> None:
    """A renamed metric would make an alert silent for ever."""
    known = {name for row in Metrics(__version__).documentation() for name in _series(row.name, row.type)}
    known |= {"process_start_time_seconds"}
    text = json.dumps(RULES) + (MONITORING / "dashboard.json").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(syncd[_:][a-z_]+)", text))

    assert len(named) > 20
    assert set() == named - known - {"syncd_build_info"}


def _series(name: str, kind: str) -> list[str]:
    if kind == "histogram":
        return [f"{name}_{part}" for part in ("bucket", "sum", "count")]
    return [name if kind != "counter" or name.endswith("_total") else f"{name}_total"]


def test_what_syncd_shows_is_what_prometheus_likes() -> None:
    """`promtool check metrics`: help texts, units, suffixes."""
    ran = tool("promtool", "check", "metrics", stdin=Metrics(__version__).render().decode())

    assert (0, "", "") == (ran.returncode, ran.stdout, ran.stderr)


@pytest.mark.parametrize(("severity", "receiver"), [("critical", "on-call"), ("warning", "team"), ("info", "team")])
def test_the_example_of_routing_sends_each_severity_to_somebody(severity: str, receiver: str) -> None:
    """`amtool`: the file is right, and what is critical reaches whoever is on call."""
    example = MONITORING / "alertmanager.example.yaml"
    checked = tool("amtool", "check-config", example)
    routed = tool("amtool", "config", "routes", "test", f"--config.file={example}", "alertname=SyncdHeld", f"severity={severity}")

    assert 0 == checked.returncode, checked.stderr
    assert (0, receiver) == (routed.returncode, routed.stdout.strip())


def test_every_alert_that_silences_others_exists() -> None:
    """Names in the example's inhibitions."""
    text = (MONITORING / "alertmanager.example.yaml").read_text(encoding="utf-8")
    groups = re.findall(r"Syncd\(([A-Za-z|]+)\)|= (Syncd[A-Za-z]+)\b", text)
    named = {name for many, one in groups for name in ([f"Syncd{part}" for part in many.split("|")] if many else [one])}

    assert named
    assert set() == named - set(NAMES)

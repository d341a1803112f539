"""Alert rules by themselves: each one fires when it should and keeps quiet when it should, and says what to do."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from syncd import __version__
from syncd.cli import syncd
from syncd.observe.metrics import Metrics
from tests.alerts.watching import MONITORING, ROOT, alerts, shipped_rules, tool, written

CASES: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "cases.yaml").read_text(encoding="utf-8"))
RULES = shipped_rules()
NAMES = sorted({alert["alert"] for alert in alerts(RULES)})
RUNBOOKS = ROOT / "deploy" / "runbooks"

#: What a person has to hear of, by the alert that says it.
WANTED = {
    "down or not scraped": {"SyncdDown", "SyncdReplicaDown"}, "no success": {"SyncdNoSuccess"},
    "unreadable": {"SyncdDirectoryUnreadable", "SyncdZoomUnreadable"}, "held": {"SyncdHeld"},
    "effects failing": {"SyncdEffectsFailing", "SyncdCycleFailed"}, "overdue": {"SyncdLeaversOverdue"},
    "nobody can": {"SyncdLeaversForAPerson"}, "throttled": {"SyncdThrottled"}, "expiring": {"SyncdCredentialExpiring"},
    "leaders": {"SyncdNoLeader", "SyncdTwoLeaders"}, "ledger": {"SyncdLedgerBroken", "SyncdLedgerRolledBack"},
    "paused": {"SyncdPaused"}, "clock": {"SyncdClockSkew"},
}


def test_every_case_comes_out_as_written(tmp_path: Path) -> None:
    """`promtool test rules`; annotations are left out here and seen end to end."""
    rules = json.loads(json.dumps(RULES))
    for alert in alerts(rules):
        del alert["annotations"]
    cases = written(tmp_path, "cases.yml", {"rule_files": [str(written(tmp_path, "rules.yml", rules))], **CASES})

    ran = tool("promtool", "test", "rules", cases)

    assert (0, "") == (ran.returncode, ran.stderr)


@pytest.mark.parametrize("name", NAMES)
def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(name: str) -> None:
    """With every severity it has."""
    looks = [look for case in CASES["tests"] for look in case["alert_rule_test"] if look["alertname"] == name]
    fired = {expected["exp_labels"]["severity"] for look in looks for expected in look.get("exp_alerts", [])}

    assert {alert["labels"]["severity"] for alert in alerts(RULES) if alert["alert"] == name} == fired
    assert [look for look in looks if not look.get("exp_alerts")]


def test_every_failure_that_matters_has_an_alert() -> None:
    """And there is none that this list does not know."""
    assert NAMES == sorted(set().union(*WANTED.values()))


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
    assert NAMES == sorted(path.stem for path in RUNBOOKS.glob("*.md"))


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
    known |= {rule["record"] for group in RULES["groups"] for rule in group["rules"] if "record" in rule}
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
    routed = tool("amtool", "config", "routes", "test", f"--config.file={example}", "alertname=SyncdHeld",
                  f"severity={severity}")

    assert 0 == checked.returncode, checked.stderr
    assert (0, receiver) == (routed.returncode, routed.stdout.strip())


def test_every_alert_that_silences_others_exists() -> None:
    """Names in the example's inhibitions."""
    text = (MONITORING / "alertmanager.example.yaml").read_text(encoding="utf-8")
    groups = re.findall(r"Syncd\(([A-Za-z|]+)\)|= (Syncd[A-Za-z]+)\b", text)
    named = {name for many, one in groups for name in ([f"Syncd{part}" for part in many.split("|")] if many else [one])}

    assert named
    assert set() == named - set(NAMES)

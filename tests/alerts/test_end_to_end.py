"""The real daemon, scraped by a real Prometheus, whose alerts reach a webhook through a real Alertmanager.

The shipped rules are used as they stand, but every `for` is a second and a quarter of an hour too: what has to last for hours is
tried with promtool.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd.lab import faults
from syncd.lab.zoom.tenant import ADMIN_ROLE
from tests.acceptance.company import WHO, Company, Daemon
from tests.acceptance.test_daemon import tamper
from tests.alerts.watching import MONITORING, Watching, alerts, shipped_rules, watching
from tests.ports import free_port

Watched = tuple[Company, Daemon, Watching]


@pytest.fixture
def watched(company: Company, tmp_path: Path) -> Iterator[Watched]:
    """Forty people and an administrator who is in no directory, enforced; the directory's file is empty when it starts."""
    company.staff(40)
    company.account("boss", role_id=ADMIN_ROLE)
    company.configure({"mode": "enforce", "guards.max_deactivations": 1})
    company.people.write_text("", encoding="utf-8")
    rules = shipped_rules()
    for alert in alerts(rules):
        alert["for"] = "1s"
        alert["expr"] = alert["expr"].replace("> 2 * max by", "> 0 * max by").replace("+ 900", "+ 5").replace("> 900", "> 1")
    listen = f"127.0.0.1:{free_port()}"
    with watching(tmp_path / "watching", listen, rules) as watch, company.running(listen=listen) as daemon:
        yield company, daemon, watch


@pytest.mark.timeout(600)
def test_what_goes_wrong_reaches_the_webhook_and_what_is_well_again_too(watched: Watched) -> None:
    """One bad day after another: eleven alerts, each with its labels, its words and its runbook."""
    company, daemon, watch = watched

    # An export of 0 bytes, from the first cycle on: no success ever, and the directory is to blame.
    watch.wait_samples("syncd_leader == 1")
    daemon.wait_cycles(1)
    told = watch.wait("SyncdNoGoodCycle")
    assert "read both sides whole" in told["annotations"]["description"]
    assert "critical" == told["labels"]["severity"]
    daemon.sync()
    told = watch.wait("SyncdDirectoryUnreadable")
    assert {"alertname": "SyncdDirectoryUnreadable", "job": "syncd", "namespace": "syncd", "severity": "warning"} == told[
        "labels"
    ]
    assert told["annotations"]["runbook_url"].endswith("/deploy/runbooks/SyncdDirectoryUnreadable.md")

    # The export comes back: well again. The administrator is somebody whom only a person can lock out.
    company.save()
    daemon.sync()
    watch.wait("SyncdNoGoodCycle", "resolved")
    watch.wait("SyncdDirectoryUnreadable", "resolved")
    assert "1 accounts need manual action" == watch.wait("SyncdNeedsManualAction")["annotations"]["summary"]
    assert {"SyncdNeedsManualAction"} == watch.firing() - {"SyncdNoGoodCycle"}

    # Two leave where one a cycle is allowed: held until somebody looked.
    company.leaves("p000", "p001")
    daemon.sync()
    assert "max-deactivations" == watch.wait("SyncdHeld")["labels"]["guard"]

    # Approved, but Zoom refuses to change them.
    company.approve_what_is_held()
    company.zoom.faults.add(faults.refusal(300, "Something odd."), "set_status", times=None)
    daemon.sync()
    daemon.sync()
    assert "Changes of 2 accounts fail in cycle after cycle" == watch.wait("SyncdEffectsFailing")["annotations"]["summary"]
    watch.wait("SyncdHeld", "resolved")
    company.zoom.faults.clear()
    names = [f"{name}@corp.example" for name in ("p000", "p001")]  # refused twice: by hand, then
    assert 0 == company.syncd("account", "deactivate", *names, "--yes", "--confirm-count", "2", *WHO).code
    assert ["inactive", "inactive"] == [company.status(name) for name in ("p000", "p001")]

    # An operator pauses.
    assert 0 == company.syncd("pause", *WHO).code
    watch.wait("SyncdPaused")
    assert 0 == company.syncd("resume", *WHO).code
    watch.wait("SyncdPaused", "resolved")

    # The app's secret was rotated, and nobody told syncd.
    secret = company.zoom.oauth.client_secret
    company.zoom.oauth.client_secret = "another-word"
    company.zoom.oauth.expire_all(datetime.now(UTC))
    daemon.sync()
    daemon.sync()
    watch.wait("SyncdZoomUnreadable")
    assert not watch.messages("SyncdDirectoryUnreadable")[1:]  # nobody else is accused
    company.zoom.oauth.client_secret = secret
    daemon.sync()
    watch.wait("SyncdZoomUnreadable", "resolved")

    # Every panel of the dashboard shows something, after a day like this.
    for title, expression in panels():
        samples = watch.query(expression)
        assert samples, f"{title}: no data for {expression}"
        assert math.inf not in {float(sample["value"][1]) for sample in samples}, title

    # Zoom's clock goes wrong: everything is held.
    company.zoom.clock_skew = timedelta(minutes=11)
    daemon.sync()
    watch.wait("SyncdClockSkew")
    assert {"warning", "critical"} >= {one["labels"]["severity"] for one in watch.messages("SyncdClockSkew")}
    company.zoom.clock_skew = timedelta(0)
    daemon.sync()
    watch.wait("SyncdClockSkew", "resolved")

    # Somebody rewrites history.
    tamper(company)
    daemon.sync()
    watch.wait("SyncdLedgerBroken")

    # And the daemon is gone.
    daemon.kill()
    watch.wait("SyncdDown")
    assert [] == [one for one in watch.heard if re.search(r"<no value>|error expanding", json.dumps(one["annotations"]))]
    assert 10 <= len({one["labels"]["alertname"] for one in watch.heard})


def panels() -> list[tuple[str, str]]:
    """Every expression of the dashboard with its panel's title, variables filled in."""
    dashboard: dict[str, Any] = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
    found = [
        (panel["title"], re.sub(r"\$(namespace|job|instance)", ".*", target["expr"]).replace("$__rate_interval", "1m"))
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    ]
    assert len(found) > 20
    return found


def test_every_panel_can_be_read() -> None:
    """A title, a sentence, a unit, one data source, places that do not overlap."""
    dashboard = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= 24, panel["title"]
        assert not cells & taken, panel["title"]
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"]
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert {"uid": "${datasource}", "type": "prometheus"} == panel["datasource"]

    assert len(dashboard["panels"]) == len({panel["id"] for panel in dashboard["panels"]})

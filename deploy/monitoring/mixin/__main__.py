r"""Writes what Prometheus and Grafana need, from one source of truth.

    python deploy/monitoring/mixin                                   the files of this repository, as they are shipped
    python deploy/monitoring/mixin --out DIR --selector 'job="zoom-sync", namespace="it"' \
           --runbook-base https://wiki.corp.example/syncd --severity critical=page --label team=it

DIR/rules.yaml is a PrometheusRule, DIR/prometheus-rules.yaml the same as a plain rule file, DIR/dashboard.json the dashboard.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).parent))

from alerts import alerts, rules
from dashboard import dashboard
from settings import Settings

DEPLOY = Path(__file__).parents[2]
#: What the chart fills in for each release; Helm replaces the words between @.
CHART = Settings(
    selector='job="@JOB@", namespace="@NAMESPACE@"',
    runbook_base="@RUNBOOKS@",
    severities={one: f"@{one.upper()}@" for one in ("critical", "warning", "info")},
)
_PLACEHOLDER = re.compile(r"\{\{ \$(?:labels\.)?(\w+)(?: \| \w+)? \}\}")
HEAD = "# Made by deploy/monitoring/mixin: change it there, then `make tables`.\n"


class _Dumper(yaml.SafeDumper):
    """Lines that were broken stay so."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def as_yaml(value: Any) -> str:
    """YAML with the keys in their order."""
    return HEAD + yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)


def prometheus_rule(settings: Settings) -> dict[str, Any]:
    """The same for the Prometheus operator."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "syncd"},
        "spec": rules(settings),
    }


def as_json(value: Any) -> str:
    """Indented, with a line end."""
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def runbook_table() -> str:
    """The list of alerts, in words."""
    rows = []
    for one in alerts(Settings()):
        says = _PLACEHOLDER.sub(r"*\1*", one.summary)
        rows.append(f"| [{one.name}]({one.name}.md) | {one.severity} | {says} |")
    return "# Runbooks\n\nOne page an alert.\n\n| alert | severity | says |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n"


def shipped() -> dict[Path, str]:
    """Every file of this repository that the mixin makes, with its text."""
    return {
        DEPLOY / "monitoring" / "rules.yaml": as_yaml(prometheus_rule(Settings())),
        DEPLOY / "monitoring" / "dashboard.json": as_json(dashboard(Settings())),
        DEPLOY / "runbooks" / "README.md": runbook_table(),
        DEPLOY / "chart" / "files" / "rules.yaml": as_yaml(rules(CHART)),
        DEPLOY / "chart" / "files" / "dashboard.json": as_json(dashboard(Settings())),
    }


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def main(words: list[str]) -> None:
    """Writes; without --out the shipped files."""
    usage = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usage.add_argument("--out", type=Path, help="folder to write to, instead of the files of this repository")
    usage.add_argument("--selector", default=Settings.selector, help="label matchers of the installations")
    usage.add_argument("--many", action="store_true", help="the selector covers several installations")
    usage.add_argument(
        "--also-by",
        action="append",
        default=[],
        metavar="LABEL",
        help="a further label that tells installations apart, such as cluster",
    )
    usage.add_argument("--runbook-base", default=Settings.runbook_base, help="what stands before /AlertName.md")
    usage.add_argument("--severity", type=_pair, action="append", default=[], help="critical=WORD, warning=WORD, info=WORD")
    usage.add_argument("--label", type=_pair, action="append", default=[], help="NAME=VALUE on every alert")
    given = usage.parse_args(words)
    if given.out is None:
        for path, text in shipped().items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return
    settings = Settings(
        given.selector,
        not given.many,
        given.runbook_base,
        Settings().severities | dict(given.severity),
        dict(given.label),
        tuple(given.also_by),
    )
    given.out.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("rules.yaml", as_yaml(prometheus_rule(settings))),
        ("prometheus-rules.yaml", as_yaml(rules(settings))),
        ("dashboard.json", as_json(dashboard(settings))),
    ):
        (given.out / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])

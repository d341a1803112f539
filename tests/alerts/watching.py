"""Starts a real Prometheus and a real Alertmanager on loopback, and a webhook that takes down what they say."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from tests.ports import free_port

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
PROGRAMS = ("prometheus", "promtool", "prometheus-alertmanager", "amtool")
START_SECONDS = 60.0
PATIENCE_SECONDS = 90.0


def missing() -> str:
    """Why there can be no watching here, or nothing."""
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"no {' and no '.join(absent)} (packages prometheus, prometheus-alertmanager)" if absent else ""


def shipped_rules() -> dict[str, Any]:
    """The plain rule file inside the PrometheusRule."""
    spec: dict[str, Any] = yaml.safe_load((MONITORING / "rules.yaml").read_text(encoding="utf-8"))["spec"]
    return spec


def alerts(rules: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The alerts of a rule file, in order."""
    return [rule for group in rules["groups"] for rule in group["rules"] if "alert" in rule]


def written(folder: Path, name: str, content: Mapping[str, Any]) -> Path:
    """Writes a YAML file."""
    path = folder / name
    path.write_text(yaml.safe_dump(dict(content), sort_keys=False, width=1000), encoding="utf-8")
    return path


def tool(*words: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Runs promtool or amtool to its end."""
    return subprocess.run([str(word) for word in words], input=stdin, capture_output=True, text=True, timeout=120, check=False)


@dataclass
class Watching:
    """A running Prometheus, and what reached the webhook behind it."""

    prometheus: str
    heard: list[dict[str, Any]] = field(default_factory=list)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant query. Fails on an error."""
        url = f"{self.prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                result: list[dict[str, Any]] = json.load(answer)["data"]["result"]
                return result
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{expression}: {error.read().decode()}") from None

    def firing(self) -> set[str]:
        """Names of the alerts that fire right now, by Prometheus."""
        with urllib.request.urlopen(f"{self.prometheus}/api/v1/alerts", timeout=10) as answer:
            return {alert["labels"]["alertname"] for alert in json.load(answer)["data"]["alerts"] if alert["state"] == "firing"}

    def messages(self, alert: str, status: str = "firing") -> list[dict[str, Any]]:
        """What the webhook was told of one alert."""
        return [one for one in list(self.heard) if one["labels"]["alertname"] == alert and one["status"] == status]

    def wait(self, alert: str, status: str = "firing") -> dict[str, Any]:
        """Waits until the webhook was told; the newest message."""
        until(
            lambda: self.messages(alert, status),
            f"{alert} {status}; heard so far: {sorted({(one['labels']['alertname'], one['status']) for one in self.heard})}",
        )
        return self.messages(alert, status)[-1]

    def wait_samples(self, expression: str, count: int = 1) -> None:
        """Waits until a query has so many samples."""
        until(lambda: len(self.query(expression)) >= count, f"{count} samples of {expression}")


def until(holds: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Looks again and again until something holds. Fails when it takes too long."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"waited too long for: {what}"
        time.sleep(0.1)


@contextmanager
def watching(folder: Path, target: str, rules: Mapping[str, Any]) -> Iterator[Watching]:
    """Prometheus scraping *target* (host:port) as the job syncd every second, with *rules*, while the block runs."""
    folder.mkdir(parents=True, exist_ok=True)
    prometheus, alertmanager = free_port(), free_port()
    with _webhook() as (url, heard):
        manager = written(
            folder,
            "alertmanager.yml",
            {
                "route": {"receiver": "hook", "group_by": ["alertname"], "group_wait": "0s", "group_interval": "1s"},
                "receivers": [{"name": "hook", "webhook_configs": [{"url": url, "send_resolved": True}]}],
            },
        )
        config = written(
            folder,
            "prometheus.yml",
            {
                "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
                "rule_files": [str(written(folder, "rules.yml", rules))],
                "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]},
                "scrape_configs": [
                    {"job_name": "syncd", "static_configs": [{"targets": [target], "labels": {"namespace": "syncd"}}]}
                ],
            },
        )
        commands = [
            [
                "prometheus-alertmanager",
                f"--config.file={manager}",
                f"--storage.path={folder / 'am'}",
                f"--web.listen-address=127.0.0.1:{alertmanager}",
                "--cluster.listen-address=",
            ],
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'tsdb'}",
                f"--web.listen-address=127.0.0.1:{prometheus}",
            ],
        ]
        with _running(commands, folder):
            for port in (alertmanager, prometheus):
                until(lambda port=port: _answers(f"http://127.0.0.1:{port}/-/ready"), f"port {port}: see {folder}", START_SECONDS)
            yield Watching(f"http://127.0.0.1:{prometheus}", heard)


@contextmanager
def _running(commands: Sequence[Sequence[str]], folder: Path) -> Iterator[None]:
    started: list[subprocess.Popen[bytes]] = []
    try:
        for command in commands:
            with (folder / f"{command[0]}.log").open("wb") as log:
                started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def _webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    heard: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            heard.extend(body["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keeps quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as answer:
        return bool(answer.status == 200)
    return False

"""Webhooks of a running daemon, from the configuration to the body that arrives (``notify``, section 2)."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.acceptance.company import ADDRESS, Company, wait_until

TOKEN = "T0KEN-of-the-hook"


@pytest.fixture
def hook(company: Company) -> Iterator[list[dict[str, Any]]]:
    """Messages that arrived at a chat system which answers "ok" and is in trouble at first; its address is in a secret file."""
    heard: list[dict[str, Any]] = []
    trouble = [503]

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status = trouble.pop() if trouble else 200
            if status == 200 and self.path == f"/hooks/{TOKEN}":
                heard.append(body)
            self.send_response(status)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Keeps quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    (company.folder / "hook").write_text(f"http://127.0.0.1:{server.server_address[1]}/hooks/{TOKEN}\n", encoding="utf-8")
    company.configure({"notify": [{"webhook_url_file": str(company.folder / "hook"), "on": ["held", "unreadable"]}]})
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def test_a_held_plan_and_an_unreadable_directory_reach_the_webhook(company: Company, hook: list[dict[str, Any]]) -> None:
    """Once each, however many cycles; retried when the receiver has trouble; no address of anybody, no token in the log."""
    company.staff(20)
    company.configure({"guards.max_deactivations": 1})
    company.enforcing()
    with company.running() as daemon:
        daemon.wait_cycles(1)
        company.leaves("p000", "p001")
        daemon.sync()
        daemon.sync()
        wait_until(lambda: hook, "the message about the held plan")
        company.people.write_text("", encoding="utf-8")
        daemon.sync()
        wait_until(lambda: len(hook) > 1, "the message about the directory")
        code, _ = daemon.terminate()
        log = daemon.log.read_text(encoding="utf-8")

    assert ["held", "unreadable"] == [message["event"] for message in hook]
    assert ["max-deactivations"] == [verdict["guard"] for verdict in hook[0]["guards"]]
    assert "directory" == hook[1]["source"]
    assert [] == ADDRESS.findall(json.dumps(hook))
    assert 0 == code
    assert TOKEN not in log


def test_a_receiver_that_is_not_there_stops_nothing(company: Company, hook: list[dict[str, Any]]) -> None:
    """Cycles go on, and the log says that the message could not be sent."""
    (company.folder / "hook").write_text(f"https://127.0.0.1:1/hooks/{TOKEN}\n", encoding="utf-8")
    company.staff(20)
    company.configure({"guards.max_deactivations": 1})
    company.enforcing()
    with company.running() as daemon:
        daemon.wait_cycles(1)
        company.leaves("p000", "p001")
        daemon.sync()
        company.person("p000")
        company.person("p001")
        company.save()
        daemon.sync()

        assert ["in_step", "held", "in_step"] == daemon.cycles()
        assert 0 == daemon.terminate()[0]
    assert [] == hook
    assert TOKEN not in daemon.log.read_text(encoding="utf-8")


def test_a_restarted_daemon_does_not_tell_the_same_trouble_again(company: Company, hook: list[dict[str, Any]]) -> None:
    """Held when it ended, held when it began: told once. Another plan is told at once."""
    company.staff(20)
    company.configure({"guards.max_deactivations": 1})
    company.enforcing()
    with company.running() as daemon:
        daemon.wait_cycles(1)
        company.leaves("p000", "p001")
        daemon.sync()
        wait_until(lambda: hook, "the message about the held plan")
        assert 0 == daemon.terminate()[0]
    with company.running() as daemon:
        daemon.wait_cycles(1)
        company.leaves("p002")
        daemon.sync()
        wait_until(lambda: len(hook) > 1, "the message about the other plan")
        assert ["held", "held"] == daemon.cycles()
        assert 0 == daemon.terminate()[0]

    assert ["held", "held"] == [message["event"] for message in hook]
    assert [2, 3] == [message["guards"][0]["measured"] for message in hook]

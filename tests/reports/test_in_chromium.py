"""The pages in a real browser: no console error, totals visible, filter and order work, print works, no script needed."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from html import unescape
from pathlib import Path
from shutil import which

import pytest

from syncd.reports.cycle import cycle_view
from syncd.reports.period import period_view
from syncd.reports.render import render
from syncd.reports.view import View
from tests.reports.a_cycle import FORMULA, HEBREW, SCRIPT, a_cycle
from tests.reports.october import document, october

CHROMIUM = which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None and os.environ.get("CI") != "true", reason="Chromium is not installed")

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
)

VIEWS: dict[str, Callable[[], View]] = {
    "cycle": lambda: cycle_view(a_cycle(20)),
    "period": lambda: period_view(document(october())),
}

#: Written behind the page as somebody's clicks. It is no part of a report: the policy would refuse it there.
CLICKS = """
const box = document.querySelector(".tools[data-table='t-MAIN'] input");
const table = document.getElementById("t-MAIN");
const shown = () => Array.from(table.tBodies[0].rows).filter((row) => !row.hidden);
document.body.dataset.all = shown().length;
box.value = "DISABLED ann"; box.dispatchEvent(new Event("input"));
setTimeout(() => {
  document.body.dataset.filtered = shown().map((row) => row.querySelector("b").textContent).join();
  const named = document.getElementById("f-MAIN");
  document.body.dataset.named = named.hidden ? "" : named.textContent;
  box.value = ""; box.dispatchEvent(new Event("input"));
  setTimeout(() => {
    document.body.dataset.cleared = named.hidden;
    const button = table.tHead.querySelector("button");
    button.click(); document.body.dataset.up = shown()[0].querySelector("b").textContent;
    button.click(); document.body.dataset.down = shown()[0].querySelector("b").textContent;
    document.body.dataset.said = document.querySelector(".tools[data-table='t-MAIN'] output").textContent;
  }, 50);
}, 50);
"""


@pytest.fixture(params=sorted(VIEWS))
def page(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"{request.param}.html"
    with path.open("wb") as out:
        render(VIEWS[request.param](), "html", out)
    return path


def browsed(page: Path, *flags: str) -> tuple[str, list[str]]:
    """Standard output, and the lines of the page's console."""
    assert CHROMIUM is not None, "Chromium is missing, and this is CI"
    ran = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={page.parent / 'profile'}", "--virtual-time-budget=2000", *flags, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return ran.stdout, [line for line in ran.stderr.splitlines() if ":CONSOLE" in line]


def test_a_report_opens_without_a_word_on_the_console(page: Path):
    """Neither an error of the script nor a refusal of the content security policy; the totals are there."""
    dom, console = browsed(page, "--dump-dom")

    assert [] == console
    text = unescape(re.sub(r"<[^>]+>", " ", dom))
    assert "Control totals" in text
    assert "balances" in text
    assert "<button" in dom  # our script ran


def test_a_report_filters_and_sorts(page: Path):
    """By words in any order and case, which the page names, on paper too; by a click on a heading, and the other way round by
    another one."""
    main = "accounts" if page.stem == "cycle" else "leavers"
    text = page.read_text(encoding="utf-8")
    policy = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
    page.write_text(
        policy.sub("", text).replace("</body>", f"<script>{CLICKS.replace('MAIN', main)}</script></body>"), encoding="utf-8"
    )

    dom, _ = browsed(page, "--dump-dom")

    found = dict(re.findall(r'data-(all|filtered|named|cleared|up|down|said)="([^"]*)"', dom))
    number = "27" if main == "accounts" else "7"
    last = "p000019@corp.example" if main == "accounts" else "gina@corp.example"
    assert {
        "all": number,
        "filtered": "ann@corp.example",
        "named": f"Filtered by \u201cDISABLED ann\u201d: 1 of {number} rows are shown.",
        "cleared": "true",
        "up": "ann@corp.example",
        "down": last,
        "said": f"{number} of {number}",
    } == found


def test_a_strangers_script_would_not_run(page: Path):
    """The policy allows our own script by its hash and nothing else."""
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("</body>", "<script>document.title='taken over'</script></body>"), encoding="utf-8")

    dom, console = browsed(page, "--dump-dom")

    assert "taken over</title>" not in dom
    assert any("Content Security Policy" in line for line in console)


def test_a_report_loads_nothing_and_escapes_names(page: Path):
    """One file; what a directory says is text."""
    text = page.read_text(encoding="utf-8")

    assert [] == re.findall(r'(?:src|href)="(?!#|data:,")', text)
    assert "http://" not in text.replace("http://evil.example", "")
    assert "https://" not in text
    if page.stem == "cycle":
        assert SCRIPT not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
        assert f"<bdi>{HEBREW}</bdi>" in text
        assert FORMULA.replace('"', "&quot;") in text
        assert "\u202e" not in text


def test_a_report_says_everything_without_its_script(page: Path):
    """Each account stands in the file itself; tools that would not work are hidden."""
    text = page.read_text(encoding="utf-8")
    names = ("ann", "frank", "p000019") if page.stem == "cycle" else ("ann", "carol", "gina")

    assert all(f"<b><bdi>{name}@corp.example</bdi></b>" in text for name in names)
    assert [] == re.findall(r'<div class="tools"[^>]*(?<!hidden)>', text)


def test_a_report_prints_to_pdf(page: Path):
    """With pages in it."""
    pdf = page.with_suffix(".pdf")
    browsed(page, f"--print-to-pdf={pdf}", "--no-pdf-header-footer")

    content = pdf.read_bytes()
    assert content.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", content)) >= 1

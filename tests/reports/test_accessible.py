"""Each page for people who do not use a mouse, do not see well, or do not see: axe-core in Chromium, and what it cannot tell.

axe-core comes with a package of the development lock, pinned by its hash; the pages themselves never contain it. Where axe says
that it cannot tell a contrast (single characters, text it finds covered), the colours of the page are measured here: every pair
of the style sheet that can meet, in both themes.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from importlib.resources import files
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from syncd.cli.reporting import made_of
from syncd.evidence.periods import Sample
from syncd.observe.page import StatusView, page
from syncd.reports import handovers
from syncd.reports.cycle import cycle_view
from syncd.reports.period import period_view
from syncd.reports.render import render
from syncd.reports.view import Kind, View
from tests.observe.test_server import AT, HELD
from tests.reports.a_cycle import a_cycle
from tests.reports.october import ASKED, document, october

CHROMIUM = which("chromium")
in_chromium = pytest.mark.skipif(CHROMIUM is None and os.environ.get("CI") != "true", reason="Chromium is not installed")

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=20000",
    "--dump-dom",
)

#: A value of each kind that is no plain text, as a document has it.
BY_KIND: dict[Kind, object] = {
    Kind.MOMENT: "2026-10-20T08:00:00Z",
    Kind.LIST: ["one", "two"],
    Kind.NUMBER: 300,
    Kind.YESNO: True,
}

#: As ``evidence.handing_over`` tells a handover.
HANDED_OVER = {column.key: BY_KIND.get(column.kind, "word") for column in handovers.COLUMNS} | {
    key: {"meetings": 3} for key in ("held", "receiver_before", "receiver_after", "missing")
}


def everything() -> View:
    """A period with every table that a report may have: handovers, another system's list, what it took to make it."""
    others = [("ann@corp.example", "2026-10-05"), ("nobody@corp.example", "2026-10-06")]
    told = document(october(), replace(ASKED, others=others), Sample(3, "7"))
    told["handovers"] = [HANDED_OVER]
    made_of(told, {"from": "2026-10-01", "to": "2026-10-31", "sample": 3, "seed": "7", "compare": None}, None)
    return period_view(told)


VIEWS: dict[str, Callable[[], View]] = {
    "cycle": lambda: cycle_view(a_cycle(20)),
    "period": lambda: period_view(document(october())),
    "sample": lambda: period_view(document(october(), sample=Sample(3, "7"))),
    "everything": everything,
}
STATUS: dict[str, StatusView] = {"held": HELD, "first": StatusView(version="1", mode="report", now=AT, leader=False)}

#: What is asked of a page. Everything that can be used must take the focus from the keyboard and show that it has it.
QUESTIONS = """
axe.run(document, {resultTypes: ["violations", "incomplete"]}).then((found) => {
  const told = (list) => list.map((one) => [one.id, one.nodes.map((node) => node.html.slice(0, 120))]);
  const usable = Array.from(document.querySelectorAll("a[href],button,input,summary,[tabindex]"))
    .filter((one) => one.checkVisibility());
  const unseen = usable.filter((one) => {
    one.focus({focusVisible: true});
    const shown = getComputedStyle(one);
    return document.activeElement !== one || shown.outlineStyle === "none";
  });
  const out = document.createElement("pre");
  out.id = "found";
  out.textContent = JSON.stringify({violations: told(found.violations), unsure: told(found.incomplete),
    passes: found.passes.length, usable: usable.length, unseen: unseen.map((one) => one.outerHTML.slice(0, 120)),
    headless: Array.from(document.querySelectorAll("table")).filter((one) => !one.querySelector("th[scope=col]")).length});
  document.body.append(out);
});
"""


def html_of(name: str, folder: Path) -> str:
    if name in STATUS:
        return page(STATUS[name])
    path = folder / "page.html"
    with path.open("wb") as out:
        render(VIEWS[name](), "html", out)
    return path.read_text(encoding="utf-8")


def asked(html: str, folder: Path, width: int = 1300) -> dict[str, Any]:
    """What axe and the keyboard find. The policy of the page would refuse strangers' scripts, so it is taken out first."""
    assert CHROMIUM is not None, "Chromium is missing, and this is CI"
    axe = files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    path = folder / "asked.html"
    path.write_text(html.replace("</body>", f"<script>{axe}</script><script>{QUESTIONS}</script></body>"), encoding="utf-8")
    flags = (f"--window-size={width},2000", f"--user-data-dir={folder / 'profile'}")
    ran = subprocess.run([CHROMIUM, *FLAGS, *flags, path.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    answer = re.search(r'<pre id="found">(.*?)</pre>', ran.stdout, re.DOTALL)
    assert answer is not None, ran.stderr[-2000:]
    return dict(json.loads(unescape(answer[1])))


def dark(html: str) -> str:
    """The page as a browser shows it in the dark."""
    assert "@media (prefers-color-scheme:dark)" in html
    return html.replace("@media (prefers-color-scheme:dark)", "@media all")


@in_chromium
@pytest.mark.parametrize(
    ("name", "theme"),
    [
        *((name, "light") for name in (*VIEWS, *STATUS)),
        ("cycle", "dark"),
        ("period", "dark"),
        ("held", "dark"),
        ("cycle", "phone"),
        ("held", "phone"),
        ("everything", "phone"),
    ],
)
def test_axe_finds_nothing_and_the_keyboard_reaches_everything(name: str, theme: str, tmp_path: Path):
    """No violation of any rule; every control takes the focus and shows it; every table has headings."""
    html = html_of(name, tmp_path)

    found = asked(dark(html) if theme == "dark" else html, tmp_path, 400 if theme == "phone" else 1300)

    assert [] == found["violations"]
    assert {"color-contrast"} >= {rule for rule, _ in found["unsure"]}
    assert found["passes"] > 10
    assert ([], 0) == (found["unseen"], found["headless"])
    assert found["usable"] >= 3


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The docs, as ``make docs`` makes them."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    subprocess.run(command, cwd=Path(__file__).parents[2], check=True)
    return folder


@in_chromium
@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("index", 1300),
        ("auditors-guide", 1300),
        ("auditors-guide", 400),
        ("reference/configuration", 1300),
        ("how-to/emergency", 1300),
    ],
)
def test_axe_finds_nothing_in_the_docs_either(site: Path, name: str, width: int):
    """Text and code, wide tables, commands, the list of pages: as a site, where somebody reads them."""
    path = site / f"{name}.html"

    found = asked(path.read_text(encoding="utf-8"), path.parent, width)

    assert [] == found["violations"]
    assert ([], 0) == (found["unseen"], found["headless"])
    assert found["passes"] > 10


@in_chromium
@pytest.mark.parametrize(
    ("spoilt", "rule"),
    [
        ((r'aria-label="Filter [^"]*"', ""), "label"),
        ((r"--soft:#[0-9a-f]+", "--soft:#bbbbbb"), "color-contrast"),
        ((r'<html lang="en">', "<html>"), "html-has-lang"),
    ],
)
def test_axe_would_find_something(spoilt: tuple[str, str], rule: str, tmp_path: Path):
    """What the test above rests on."""
    html = re.sub(r'placeholder="[^"]*"', "", html_of("cycle", tmp_path))

    found = asked(re.sub(*spoilt, html), tmp_path)

    assert rule in {one for one, _ in found["violations"]}


@in_chromium
def test_a_control_without_visible_focus_would_be_found(tmp_path: Path):
    """And one that the keyboard cannot reach."""
    html = html_of("period", tmp_path).replace("</style>", "a:focus-visible{outline:none!important}</style>", 1)
    assert all("<a " in one for one in asked(html, tmp_path)["unseen"])
    assert asked(html, tmp_path)["unseen"]


# ------------------------------------------------------------------------------------------------------------- colours


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it, of ``#rgb`` or ``#rrggbb``."""
    digits = colour.removeprefix("#")
    digits = "".join(one * 2 for one in digits) if len(digits) == 3 else digits
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def palettes(html: str) -> list[dict[str, str]]:
    """The colours by name of each theme and of paper; what a theme does not name is as in the first."""
    found = [dict(re.findall(r"--(\w+):(#[0-9a-f]+)", block)) for block in re.findall(r":root\{(.*?)\}", html, re.DOTALL)]
    return [{**found[0], **one} for one in found]


@pytest.mark.parametrize("name", ["cycle", "held"])
def test_every_colour_can_be_read_in_every_theme(name: str, tmp_path: Path):
    """Text 4.5 to 1 on whatever it stands on (WCAG 2.2, 1.4.3); lines around controls and bars of charts 3 to 1 (1.4.11)."""
    themes = palettes(html_of(name, tmp_path))
    assert len(themes) >= 2

    for colours in themes:
        for ground in ("paper", "card"):
            for ink in ("ink", "soft", "good", "warn", "bad"):
                assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground, colours)
            if "plain" in colours:
                assert contrast(colours["plain"], colours[ground]) >= 3, (ground, colours)


def test_contrast_is_what_the_standard_says():
    """Black on white is 21 to 1; #767676 is the lightest grey that can be read on white."""
    assert 21 == pytest.approx(contrast("#000", "#ffffff"))
    assert contrast("#767676", "#fff") >= 4.5 > contrast("#777777", "#fff")

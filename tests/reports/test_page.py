"""The page for people who cannot hover, who print, who use a keyboard, and for very many rows."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from msgspec import structs

from syncd.host.signing import KEY_ID_DIGITS, PublicKeys
from syncd.ledger.audit import SignedHeads
from syncd.model import Action, Reason
from syncd.reports import html
from syncd.reports.charts import svg
from syncd.reports.cycle import cycle_view
from syncd.reports.period import period_view
from syncd.reports.render import render
from syncd.reports.view import Chart, Tone, View
from tests.reports.a_cycle import a_cycle
from tests.reports.october import document, october


def page(view: View) -> str:
    out = io.BytesIO()
    render(view, "html", out)
    return out.getvalue().decode()


VIEWS = {"cycle": lambda: cycle_view(a_cycle(20)), "period": lambda: period_view(document(october()))}


@pytest.fixture(params=sorted(VIEWS))
def text(request: pytest.FixtureRequest) -> str:
    return page(VIEWS[request.param]())


class Tables(HTMLParser):
    """Which tables have headings with a scope, and which regions that scroll can be reached by keyboard."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[int] = []
        self.unreachable = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "table":
            self.tables.append(0)
        if tag == "th" and found.get("scope") in ("col", "row"):
            self.tables[-1] += 1
        if "scroll" in (found.get("class") or "").split():
            self.unreachable += not (found.get("tabindex") == "0" and found.get("role") == "region" and found.get("aria-label"))


def test_every_table_has_headings_and_every_region_a_name(text: str) -> None:
    """What scrolls can be scrolled with a keyboard."""
    tables = Tables()
    tables.feed(text)

    assert tables.tables
    assert all(tables.tables)
    assert 0 == tables.unreachable


def test_what_columns_mean_is_readable_without_hovering(text: str) -> None:
    """As text on the page."""
    assert 'title="' not in re.sub(r"<style>.*?</style>|<script>.*?</script>", "", text, flags=re.DOTALL)
    assert "What the columns of" in text
    assert "<dt>Promise met</dt><dd>Within" in text


def test_each_printed_page_names_the_report_and_its_number(text: str) -> None:
    """The foot of the page, without a character that could end the rule."""
    rule = re.search(r'@bottom-left\{content:"([^"\\\\{}<>]*)"', text)

    assert rule is not None
    assert "ledger" in rule[1]
    assert 'counter(page) " of " counter(pages)' in text


def test_a_period_has_a_place_to_sign() -> None:
    """A cycle has none: nobody signs every quarter of an hour."""
    assert "Sign-off" in page(VIEWS["period"]())
    assert "Sign-off" not in page(VIEWS["cycle"]())


def test_a_page_of_very_many_shows_what_is_not_plainly_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """And says where the rest is; up to the limit all are there, and the exceptions always."""
    whole = page(cycle_view(a_cycle(20)))
    monkeypatch.setattr(html, "ROWS_SHOWN", 10)
    short = page(cycle_view(a_cycle(20)))

    def rows(text: str) -> int:
        return text.split('id="t-accounts"')[1].count("<tr>") - 1

    assert 0 < rows(short) < rows(whole)
    assert "ann@corp.example" in short
    assert "not plainly kept" in short
    assert "not plainly kept" not in whole


def contrast(one: str, two: str) -> float:
    """As WCAG 2.2 defines it."""

    def luminance(colour: str) -> float:
        digits = colour.lstrip("#")
        digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
        parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


def test_text_and_borders_that_matter_stand_out_in_light_and_dark() -> None:
    """4.5 to 1 for text on card and paper; a field's border, which has the colour of soft text, needs 3."""
    style = html._asset("report.css")
    palettes = [dict(re.findall(r"--(\w+):(#[0-9a-f]{3,6})", block)) for block in re.findall(r":root\{[^}]*\}", style)]

    assert 3 == len(palettes)
    for palette in palettes:
        for ink in ("ink", "soft", "good", "warn", "bad"):
            for ground in ("card", "paper"):
                assert contrast(palette[ink], palette[ground]) >= 4.5, (ink, ground, palette)
    assert "border:1px solid var(--soft)" in style


# ------------------------------------------------------------------------------------------------------- keys in use


def test_a_key_counts_only_while_it_was_in_use() -> None:
    """The first day is in, the last one out; a key of which nothing is said was always in use."""
    keys = PublicKeys({}, {"a" * KEY_ID_DIGITS: ("2026-01-01", "2027-01-01")})

    assert [False, True, True, False] == [
        keys.valid("a" * KEY_ID_DIGITS, at)
        for at in (
            "2025-12-31T23:59:59.000000Z",
            "2026-01-01T00:00:00.000000Z",
            "2026-12-31T23:59:59.000000Z",
            "2027-01-01T00:00:00.000000Z",
        )
    ]
    assert keys.valid("other", "1999-01-01T00:00:00.000000Z")
    assert SignedHeads().valid("any", "any")


@pytest.mark.parametrize(("most", "words"), [(100, ""), (3, "the first 3")])
def test_a_page_opens_also_on_the_day_when_everybody_would_change(monkeypatch: pytest.MonkeyPatch, most: int, words: str) -> None:
    """However many rows have something to see, a browser gets only as many as it lays out in a few seconds; the page says so, and
    the other formats hold them all."""
    monkeypatch.setattr(html, "ROWS_SHOWN", 5)
    monkeypatch.setattr(html, "ROWS_MAX", most)
    report = a_cycle(20)
    everybody = tuple(structs.replace(one, action=Action.DEACTIVATE, reason=Reason.LEFT_GROUPS) for one in report.plan.decisions)
    view = cycle_view(replace(report, plan=replace(report.plan, decisions=everybody)))
    text, count = page(view), len(everybody)

    def rows(table: str) -> int:
        return text.split(f'id="t-{table}"')[1].split("</tbody>")[0].count("<tr>") - 1

    assert min(count, most) == rows("accounts")
    assert min(count - 1, most) <= rows("exceptions") <= most  # one of them was done: no exception
    assert (f"Of {count} rows this page shows {words} of {count} that are not plainly kept." in text) == bool(words)
    out = io.BytesIO()
    render(view, "csv", out)
    assert count == out.getvalue().count(b"@corp.example")


@pytest.mark.parametrize("accounts", [7, 4_000, 100_000, 8_000_000])
def test_numbers_beside_a_chart_are_not_cut_off(accounts: int) -> None:
    """The longest of them ends where it is drawn to, and begins within the picture."""
    drawn = svg(Chart("Accounts", "by state", "accounts", ("accounts",), (("active", (accounts,)),), (Tone.PLAIN,)))
    labels = re.findall(r'x="([0-9.]+)" y="[0-9.]+" text-anchor="end">([0-9,]+)<', drawn)

    assert labels
    assert all(float(x) >= 6.5 * len(number) for x, number in labels)

"""Charts as inline SVG: bars with a title each, drawn by hand, no library, no script, no style of their own.

Colours come from the page's classes, so they follow light, dark and print. Numbers are in the picture as text, and every
bar can be read aloud.
"""

from __future__ import annotations

from html import escape

from syncd.reports.safe import visible
from syncd.reports.view import Chart

WIDTH, HEIGHT = 440, 170
LEFT, BOTTOM, TOP = 40, 26, 18

#: How wide one digit of a label is, and how far it stands from its line.
DIGIT, GAP = 7, 6

#: Above so many bars only some labels are written; all have a title.
LABELS_MAX = 8


def svg(chart: Chart) -> str:
    """The chart, or nothing where there is nothing to see. The text of a chart is escaped here."""
    if not chart.bars:
        return ""
    top = max((sum(values) for _, values in chart.bars), default=0)
    scale = _nice(top)
    left = max(LEFT, GAP + DIGIT * len(f"{scale:,}"))  # 100,000 accounts need more room than 10
    inner = WIDTH - left - 6
    step = inner / len(chart.bars)
    width = min(46.0, step * 0.72)
    every = -(-len(chart.bars) // LABELS_MAX)
    drawn = [_grid(scale, left)]
    for place, (label, values) in enumerate(chart.bars):
        x = left + step * place + (step - width) / 2
        drawn.append(_bar(chart, label, values, x, width, scale))
        if place % every == 0:
            drawn.append(f'<text class="lab" x="{x + width / 2:.1f}" y="{HEIGHT - 8}" text-anchor="middle">{_text(label)}</text>')
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_text(chart.title)}: {_text(chart.says)}">'
        + "".join(drawn)
        + "</svg>"
    )


def _bar(chart: Chart, label: str, values: tuple[int, ...], x: float, width: float, scale: int) -> str:
    height = HEIGHT - BOTTOM - TOP
    y = float(HEIGHT - BOTTOM)
    parts = []
    for name, tone, value in zip(chart.series, chart.tones, values, strict=True):
        tall = height * value / scale
        y -= tall
        if value:
            title = f"{label}: {value:,} {name if len(chart.series) > 1 else chart.unit}"
            parts.append(
                f'<rect class="bar {tone.value}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{max(tall, 1):.1f}"'
                f' rx="2"><title>{_text(title)}</title></rect>'
            )
    total = sum(values)
    if total and width >= 12:
        parts.append(
            f'<text class="num" x="{x + width / 2:.1f}" y="{min(y, HEIGHT - BOTTOM - 1) - 4:.1f}" text-anchor="middle">'
            f"{total:,}</text>"
        )
    return "".join(parts)


def _grid(scale: int, left: int) -> str:
    lines = []
    for share in (0, 0.5, 1):
        y = HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share
        value = scale * share
        lines.append(f'<line class="grid" x1="{left}" x2="{WIDTH - 6}" y1="{y:.1f}" y2="{y:.1f}"/>')
        if value == int(value):
            lines.append(f'<text class="lab" x="{left - GAP}" y="{y + 3.5:.1f}" text-anchor="end">{int(value):,}</text>')
    return "".join(lines)


def _nice(top: int) -> int:
    """The next round number above, of 1, 2, 4, 5, 10, 20 and so on."""
    size = 1
    while True:
        for factor in (1, 2, 4, 5, 8):
            if factor * size >= max(top, 1):
                return factor * size
        size *= 10


def _text(text: str) -> str:
    return escape(visible(text))

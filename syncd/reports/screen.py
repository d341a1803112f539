"""Lines and tables for a terminal of any width: columns chosen by width, ``…`` instead of wraps, commands never broken.

Colours only where the stream is a terminal that has them (NO_COLOR and TERM=dumb have none); they never carry a meaning alone,
and are legible on black and on white.
Where the stream cannot write a character it is spelled in ASCII, so that a screen never ends half way.
"""

from __future__ import annotations

import os
import shutil
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

#: Colours by what they mean, by their number among the 216 that no theme of a terminal paints otherwise. Each has a contrast of
#: at least 4.5 : 1 (WCAG 2.2, 1.4.3) on black and on white, which none of the sixteen named ones has: there yellow on white is
#: 1.7 : 1.
COLOURS: Mapping[str, str] = {"good": "color(29)", "bad": "color(163)", "warn": "color(131)", "info": "color(63)"}

#: Where nobody says how wide it is.
WIDTH_ELSE = 110
#: Longer lines are hard to read, however wide the window is.
PROSE_MAX = 110
GAP = 2
#: A blank at which no line is broken: between a count and what it counts.
NO_BREAK = "\u00a0"

_ASCII = str.maketrans({"…": "...", "●": "*", "–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"', "≤": "<=", "·": "-"})  # noqa: RUF001


@dataclass(frozen=True, slots=True)
class Column:
    """One column. *rank* 0: in every table, however narrow; higher ones are left out first. It takes *most* cells where its
    values are longer, and shrinks to *least*."""

    name: str
    rank: int = 0
    least: int = 8
    most: int = 60


class Screen:
    """Writes to one stream, *width* cells wide (default: the terminal's)."""

    def __init__(self, out: TextIO, width: int | None = None) -> None:
        self.terminal = out.isatty()
        self.width = max(40, width or (shutil.get_terminal_size((WIDTH_ELSE, 24)).columns if self.terminal else WIDTH_ELSE))
        encoding = (getattr(out, "encoding", None) or "utf-8").lower().replace("-", "")
        self._encoding = "" if encoding in ("utf8", "utf16", "utf32") else encoding
        colour = self.terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") not in ("dumb", "unknown")
        self._console = Console(
            file=out,
            highlight=False,
            markup=False,
            emoji=False,
            width=10_000,
            no_color=not colour,
            color_system="auto" if colour else None,
            force_terminal=colour,
        )
        self._colours = colours_for(self._console)

    def line(self, *parts: str | tuple[str, str], indent: int = 0) -> None:
        """One line as it is, whole whatever the width: for commands and for what was laid out already."""
        text = Text(" " * indent)
        for part in parts:
            words, style = (part, "") if isinstance(part, str) else part
            text.append(self.spelled(words), self._style(style))
        text.rstrip()
        self._console.print(text, soft_wrap=True)

    def prose(self, text: str, style: str = "", *, first: str = "", indent: int = 2) -> None:
        """Text over as many lines as it needs, broken between words, never at NO_BREAK; *first* stands before it, the rest below
        its text."""
        start = " " * indent + first
        lines = textwrap.wrap(
            NO_BREAK.join(map(self.spelled, text.split(NO_BREAK))),
            min(self.width, PROSE_MAX),
            initial_indent=start,
            subsequent_indent=" " * cell_len(start),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines or [start.rstrip()]:
            self._console.print(Text(line.replace(NO_BREAK, " "), self._style(style)), soft_wrap=True)

    def table(
        self, columns: Sequence[Column], rows: Sequence[Sequence[str]], styles: Sequence[str] = (), indent: int = 2
    ) -> None:
        """Rows under their heads. Which columns are shown follows from the width; too long a cell ends in ``…``."""
        widths = fitted(columns, rows, self.width - indent)
        shown = [place for place, width in enumerate(widths) if width]
        style_of = {place: style for place, style in enumerate(styles) if style}

        def drawn(cells: Sequence[str]) -> str:
            return (" " * GAP).join(cut(self.spelled(cells[place]), widths[place], self._dots) for place in shown)

        self.line((drawn([column.name for column in columns]), "bold"), indent=indent)
        for number, row in enumerate(rows):
            self.line((drawn(row), style_of.get(number, "")), indent=indent)

    def records(self, rows: Sequence[Mapping[str, str]]) -> None:
        """Each row as its keys and values, one below the other."""
        key_width = max((cell_len(name) for row in rows for name in row), default=0)
        for number, row in enumerate(rows):
            if number:
                self.line()
            for name, value in row.items():
                self.prose(value, first=set_cell_size(name, key_width + GAP), indent=0)

    def spelled(self, text: str) -> str:
        """The text in characters that the stream can write."""
        if not self._encoding:
            return text
        return text.translate(_ASCII).encode(self._encoding, "replace").decode(self._encoding)

    def _style(self, style: str) -> str:
        """``bold warn`` in the words of the console."""
        return " ".join(filter(None, (self._colours.get(word, word) for word in style.split())))

    @property
    def _dots(self) -> str:
        return self.spelled("…")


def colours_for(console: Console) -> Mapping[str, str]:
    """The colours as this console draws them: none where it has sixteen only, for there a theme says what they look like."""
    return COLOURS if console.color_system in ("256", "truecolor") else dict.fromkeys(COLOURS, "")


def number(value: float) -> str:
    """A number as people read it: ``12,345``."""
    return f"{value:,}"


def cut(text: str, width: int, dots: str = "…") -> str:
    """Exactly *width* cells: filled up with blanks, or ended with *dots*."""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, max(0, width - cell_len(dots))) + dots


def fitted(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """How many cells each column gets; 0: it is not shown. Columns of rank 0 always are; the others come in by rank, each as
    wide as its widest cell, while everything fits. Empty columns are never shown, but those of rank 0."""
    wanted = [
        max(cell_len(column.name), min(column.most, max((cell_len(row[place]) for row in rows), default=0)))
        for place, column in enumerate(columns)
    ]
    least = [min(want, max(column.least, cell_len(column.name))) for want, column in zip(wanted, columns, strict=True)]
    chosen = {place for place, column in enumerate(columns) if column.rank == 0}
    for place in sorted(set(range(len(columns))) - chosen, key=lambda place: columns[place].rank):
        together = sum(wanted[one] + GAP for one in {*chosen, place}) - GAP
        if together <= width and any(row[place] for row in rows):
            chosen.add(place)
    widths = [wanted[place] if place in chosen else 0 for place in range(len(columns))]
    excess = sum(width + GAP for width in widths if width) - GAP - width
    while excess > 0:
        widest = max((place for place in chosen if widths[place] > least[place]), key=lambda place: widths[place], default=None)
        if widest is None:
            break
        widths[widest] -= 1
        excess -= 1
    return widths


def clean(text: str) -> str:
    """Text without line breaks, escapes and direction marks: what a terminal shows is what it says."""
    return "".join(
        " " if char in "\t\n\r" else char
        for char in text
        if char in "\t\n\r" or unicodedata.category(char) not in ("Cc", "Cf", "Cs")
    )

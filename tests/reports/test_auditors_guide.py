"""The auditor's guide says what the reports show: its tables come from the columns themselves, its commands exist and work.

To write the tables anew after a change of columns:  UPDATE_EXPECTED=1 pytest tests/reports/test_auditors_guide.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from syncd.evidence.periods import Sample
from syncd.host.signing import SigningKey
from syncd.ledger import record
from syncd.ledger.audit import head_message
from syncd.ledger.chain import START, Exported, export_line, link
from syncd.model import Draft
from syncd.reports import handovers
from syncd.reports.cycle import cycle_view
from syncd.reports.period import STATES, period_view
from syncd.reports.view import Column
from tests.architecture.readme_tables import all_verbs
from tests.reports.a_cycle import a_cycle
from tests.reports.october import document, october

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "auditors-guide.md"

_PLACE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def columns(of: tuple[Column, ...]) -> Iterator[str]:
    yield "| title | key | what it says |"
    yield "| --- | --- | --- |"
    yield from (f"| {column.title} | `{column.key}` | {column.says} |" for column in of)


def states() -> Iterator[str]:
    yield "| word | meaning |"
    yield "| --- | --- |"
    yield from (f"| `{word}` | {says} |" for word, says in STATES.items())


def with_tables(text: str) -> str:
    """*text* with every table as the code has it now."""
    tables = {
        "cycle": columns(cycle_view(a_cycle(3)).main.columns),
        "states": states(),
        "period": columns(period_view(document(october())).main.columns),
        "handovers": columns(handovers.COLUMNS),
    }
    return _PLACE.sub(lambda place: place[1] + "\n".join(tables[place[2]]) + "\n" + place[3], text)


def test_every_column_and_state_is_explained() -> None:
    """With the words of the reports themselves."""
    text = GUIDE.read_text(encoding="utf-8")
    if os.environ.get("UPDATE_EXPECTED"):
        GUIDE.write_text(with_tables(text), encoding="utf-8")

    assert with_tables(GUIDE.read_text(encoding="utf-8")) == GUIDE.read_text(encoding="utf-8"), "make tables writes them anew"
    assert 4 == len(_PLACE.findall(text))


def test_titles_between_asterisks_are_titles_of_the_reports() -> None:
    """A reader looks for them on the page."""
    named = set(re.findall(r"\*([A-Z][\w -]+)\*", GUIDE.read_text(encoding="utf-8").replace("**", "")))
    full = {**document(october(), sample=Sample(1, "1")), "compared": [], "handovers": []}
    views = (cycle_view(a_cycle(3)), period_view(document(october())), period_view(full))
    titles = (
        {table.title for view in views for table in view.tables}
        | {view.main.title for view in views}
        | {column.title for view in views for table in (*view.tables, view.main) for column in table.columns}
    )

    assert {"Late", "Gaps", "Held by"} <= named
    assert set() == {name for name in named - titles if name not in {"Control totals", "Coverage", "Entries are not signed yet"}}


def test_the_verbs_and_options_of_the_guide_exist() -> None:
    """Whoever follows it meets no usage error."""
    from syncd.cli import syncd

    text = GUIDE.read_text(encoding="utf-8")
    named = {name for name, _ in all_verbs() if re.search(rf"syncd {name}\b", text)}
    options = {
        option
        for command in (
            syncd.commands["report"],
            syncd.commands["review"],
            syncd.commands["ledger"].commands["verify"],  # type: ignore[attr-defined]
            syncd.commands["ledger"].commands["export"],
        )  # type: ignore[attr-defined]
        for parameter in command.params
        for option in parameter.opts
    }

    assert {"report", "ledger verify", "ledger export", "review"} == named
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) - {"--by"} <= options


def test_the_commands_without_syncd_check_a_signature(tmp_path: Path) -> None:
    """As they stand in the guide, on an export."""
    blocks = re.findall(r"(?ms)^```sh\n(.*?)^```", GUIDE.read_text(encoding="utf-8"))
    block = next(block for block in blocks if "pkeyutl" in block)
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    (tmp_path / "public.pem").write_bytes(private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    first = link(Draft("pause", {"by": "Ann", "because": "ü"}), at="2026-10-01T08:00:00.000000Z", term=0, previous=START)
    tip = START.after(first)
    signed = record.head_signed("c1", tip.head, *SigningKey(lambda: pem).sign(head_message(tip.head)))
    lines = [export_line(Exported(entry)) for entry in (first, link(signed, at=first.at, term=1, previous=tip))]
    (tmp_path / "ledger.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    def checked() -> int:
        return subprocess.run(
            ["sh", "-e"], input=block, text=True, cwd=tmp_path, capture_output=True, check=False, env={**os.environ, "PATH": path}
        ).returncode

    assert 0 == checked()
    (tmp_path / "ledger.jsonl").write_text("\n".join(lines).replace(first.hash, "0" * 64) + "\n", encoding="utf-8")
    assert 0 != checked()

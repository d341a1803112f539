"""The heads that a folder of reports names, also when part of it was spoilt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from syncd.model import Head
from syncd.reports.published import heads_in


@pytest.mark.parametrize("spoilt", ["", "{}", '{"format": "syncd.manifest/1", "head": {"sequence": Infinity, "hash": ""}}', "["])
def test_a_spoilt_manifest_hides_no_head_of_a_document(tmp_path: Path, spoilt: str) -> None:
    """Or a roll-back could be hidden by spoiling one file and emptying another."""
    head = {"head_sequence": 79, "head_hash": "a" * 64}
    (tmp_path / "20260101T000000Z_0123456789abcdef_in_step.json").write_text(json.dumps({"ledger": head}), encoding="utf-8")
    (tmp_path / "cycles.jsonl").write_text("", encoding="utf-8")
    (tmp_path / "MANIFEST").write_text(spoilt, encoding="utf-8")

    assert heads_in(tmp_path) == (Head(79, "a" * 64),)

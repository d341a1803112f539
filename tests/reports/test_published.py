"""The heads that a folder of reports names, also when part of it was spoilt."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from syncd.model import Head
from syncd.reports.manifest import read_manifest, write_manifest
from syncd.reports.published import heads_in
from tests.heads import ODD_HEADS


@pytest.mark.parametrize("spoilt", ["", "{}", '{"format": "syncd.manifest/1", "head": {"sequence": Infinity, "hash": ""}}', "["])
def test_a_spoilt_manifest_hides_no_head_of_a_document(tmp_path: Path, spoilt: str) -> None:
    """Or a roll-back could be hidden by spoiling one file and emptying another."""
    head = {"head_sequence": 79, "head_hash": "a" * 64}
    (tmp_path / "20260101T000000Z_0123456789abcdef_in_step.json").write_text(json.dumps({"ledger": head}), encoding="utf-8")
    (tmp_path / "cycles.jsonl").write_text("", encoding="utf-8")
    (tmp_path / "MANIFEST").write_text(spoilt, encoding="utf-8")

    assert heads_in(tmp_path) == (Head(79, "a" * 64),)


@pytest.mark.parametrize(("seq", "hash_"), ODD_HEADS)
def test_an_odd_head_is_none_wherever_it_stands(tmp_path: Path, seq: object, hash_: object) -> None:
    """In the list, a document or the manifest; the good one beside it counts."""
    odd, good = {"head_sequence": seq, "head_hash": hash_}, {"head_sequence": 79, "head_hash": "b" * 64}
    (tmp_path / "20260101T000000Z_0123456789abcdef_in_step.json").write_text(json.dumps({"ledger": odd}), encoding="utf-8")
    (tmp_path / "20260102T000000Z_0123456789abcdef_in_step.json").write_text(json.dumps({"ledger": good}), encoding="utf-8")
    (tmp_path / "cycles.jsonl").write_text("".join(json.dumps(one) + "\n" for one in (odd, odd | good)), encoding="utf-8")
    manifest = write_manifest(tmp_path, "ledger", Head(79, "b" * 64), [], datetime(2026, 1, 3, tzinfo=UTC))
    document = json.loads(manifest.read_text(encoding="utf-8"))
    text = json.dumps(document | {"head": {"sequence": seq, "hash": hash_}}, indent=1) + "\n"
    manifest.write_text(text, encoding="utf-8")

    assert heads_in(tmp_path) == (Head(79, "b" * 64),)
    with pytest.raises(ValueError, match=r"head is none|otherwise"):
        read_manifest(tmp_path)


def test_a_document_with_a_number_beyond_reading_names_none(tmp_path: Path) -> None:
    """Python refuses so many digits."""
    text = '{"ledger": {"head_sequence": ' + "9" * 3900 + ', "head_hash": "' + "b" * 64 + '"}}'
    (tmp_path / "20260101T000000Z_0123456789abcdef_in_step.json").write_text(text, encoding="utf-8")
    (tmp_path / "cycles.jsonl").write_text(text.replace("9" * 3900, "9" * 5000) + "\n", encoding="utf-8")

    assert () == heads_in(tmp_path)

"""What counts as the end of a ledger where it was read outside of one."""

from __future__ import annotations

import pytest

from syncd.model import Head
from tests.heads import HASH, ODD_HEADS, ODD_LINES


@pytest.mark.parametrize("seq", [1, 77, 2**63 - 1])
def test_a_head_is_the_number_of_an_entry_and_its_hash(seq: int):
    """As two values and as a line, with or without its end."""
    assert Head(seq, HASH) == Head.of(seq, HASH)
    assert [Head(seq, HASH)] * 2 == [Head.of_line(f"{seq} {HASH}"), Head.of_line(f"{seq} {HASH}\n")]


@pytest.mark.parametrize(("seq", "hash_"), ODD_HEADS)
def test_anything_else_is_none(seq: object, hash_: object):
    """It can stand in no chain, and must never be written into one."""
    assert Head.of(seq, hash_) is None


@pytest.mark.parametrize("line", ODD_LINES)
def test_a_line_of_anything_else_is_none(line: str):
    """Also of more digits than Python reads."""
    assert Head.of_line(line) is None

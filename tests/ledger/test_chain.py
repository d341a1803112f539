"""The hash chain: every quiet change of it is found, and the first bad entry is named."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.ledger.chain import (
    START,
    Exported,
    Fault,
    Tip,
    audit,
    export_line,
    link,
    personal_ref,
    personal_text,
    read_line,
    time_text,
    verify,
    verify_export,
    who_of,
)
from syncd.model import Draft, Head, LedgerEntry, canonical_json

SALT = b"0123456789abcdef"
EIGHT = time_text(datetime(2026, 10, 1, 8, tzinfo=UTC))


def a_chain(length: int, *, terms: tuple[int, ...] = (1,), start: Tip = START) -> list[LedgerEntry]:
    """So many good entries, one a minute, the terms in turn."""
    entries = []
    tip = start
    for number in range(length):
        at = time_text(datetime(2026, 10, 1, 8, number, tzinfo=UTC))
        drafted = Draft("noted", {"number": number, "text": 'Ünï\u2028"\\'}, subject=f"z{number}", cycle="c1")
        entries.append(link(drafted, at=at, term=terms[number % len(terms)], previous=tip))
        tip = tip.after(entries[-1])
    return entries


def relinked(entries: list[LedgerEntry], **changes: object) -> list[LedgerEntry]:
    """The last entry with *changes*, its hash made right again: what a patient forger would write."""
    last = replace(entries[-1], **changes)
    drafted = Draft(last.kind, json.loads(last.body), last.subject, last.cycle)
    previous = Tip(last.seq - 1, last.previous_hash)
    return [*entries[:-1], link(drafted, at=last.at, term=last.term, previous=previous)]


# ------------------------------------------------------------------------------------------------------- entries


def test_the_hash_is_what_the_documentation_says():
    """Anyone can compute it with a JSON library and SHA-256."""
    entry = a_chain(2)[1]

    fields = {name: getattr(entry, name) for name in ("seq", "at", "cycle", "term", "kind", "subject", "body", "previous_hash")}
    expected = hashlib.sha256(b"syncd.ledger/1\n" + canonical_json(fields).encode()).hexdigest()

    assert expected == entry.hash


def test_an_entry_continues_the_one_before():
    """Numbers from 1 without gaps, each holding the hash before it."""
    first, second = a_chain(2)

    assert (1, "") == (first.seq, first.previous_hash)
    assert (2, first.hash) == (second.seq, second.previous_hash)


def test_a_clock_that_goes_back_is_held_at_the_entry_before():
    """Times in a ledger never fall, whatever the machine's clock does."""
    first = link(Draft("noted", {}), at=EIGHT, term=0, previous=START)

    second = link(Draft("noted", {}), at="2026-10-01T07:59:59.999999Z", term=0, previous=START.after(first))

    assert EIGHT == second.at


def test_times_are_utc_with_microseconds():
    """Always 27 characters, so that later sorts later."""
    moment = datetime(2026, 10, 1, 8, 0, 0, 5, tzinfo=UTC)

    assert "2026-10-01T08:00:00.000005Z" == time_text(moment)
    assert time_text(moment) < time_text(moment + timedelta(microseconds=1))


def test_half_a_surrogate_pair_is_written_as_a_question_mark():
    """A name that no UTF-8 can carry must not stop the record."""
    entry = link(Draft("noted", {"name": "a\ud800b"}, subject="\udcff"), at=EIGHT, term=0, previous=START)

    assert ('{"name":"a?b"}', "?") == (entry.body, entry.subject)
    assert verify([entry]) is None


def test_a_body_that_is_not_json_is_refused():
    """NaN has no place in JSON, so no spelling that could be hashed."""
    with pytest.raises(ValueError):
        link(Draft("noted", {"share": float("nan")}), at=EIGHT, term=0, previous=START)


def test_who_is_found_only_where_it_is_a_reference():
    """A body may use the word otherwise."""
    ref = personal_ref(SALT, personal_text({"name": "Ann"}))

    assert ref == who_of(link(Draft("noted", {}), at=EIGHT, term=0, previous=START, who=ref))
    assert "" == who_of(link(Draft("noted", {"who": "Ann"}), at=EIGHT, term=0, previous=START))
    assert "" == who_of(link(Draft("noted", {"deep": {"who": ref}}), at=EIGHT, term=0, previous=START))


# --------------------------------------------------------------------------------------------------------- chains


def test_a_good_chain_verifies_from_anywhere():
    """From its beginning, or from a tip that is already known."""
    entries = a_chain(5, terms=(1, 2, 0, 2, 3))

    assert verify(entries) is None
    assert verify(entries[3:], Tip(3, entries[2].hash, entries[2].at, 2)) is None


@pytest.mark.parametrize("field", ["at", "cycle", "term", "kind", "subject", "body"])
def test_an_edited_field_is_found(field):
    """Whatever is changed without the hash."""
    entries = a_chain(4)
    edited = {
        "at": EIGHT.replace("2026", "2027"),
        "cycle": "c2",
        "term": 9,
        "kind": "paused",
        "subject": "z9",
        "body": '{"number":7}',
    }[field]
    entries[2] = replace(entries[2], **{field: edited})

    problem = verify(entries)

    assert (3, Fault.EDITED) == (problem.seq, problem.fault)
    assert "entry 3 was edited" in str(problem)


@pytest.mark.parametrize("value", [None, 7, b"bytes"])
def test_a_value_of_another_kind_is_an_edit(value):
    """SQLite keeps whatever is put into a column."""
    entries = a_chain(3)
    entries[1] = replace(entries[1], body=value)

    assert (2, Fault.EDITED) == (verify(entries).seq, verify(entries).fault)


def test_an_entry_rewritten_with_its_hash_is_found_at_its_successor():
    """The forger who hashes again must hash everything that follows."""
    entries = a_chain(4)
    forged = relinked(entries[:2], body='{"number":7}') + entries[2:]

    problem = verify(forged)

    assert (3, Fault.RELINKED) == (problem.seq, problem.fault)


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        ({2}, "entry 2 is missing: after entry 1 comes entry 3"),
        ({2, 3}, "entries 2 to 3 are missing: after entry 1 comes entry 4"),
        ({1}, "entry 1 is missing: at the beginning comes entry 2"),
    ],
)
def test_deleted_entries_are_a_gap(gone, says):
    """The first missing one is named."""
    problem = verify([entry for entry in a_chain(5) if entry.seq not in gone])

    assert (min(gone), Fault.GAP, says) == (problem.seq, problem.fault, str(problem))


def test_an_entry_told_twice_is_out_of_order():
    """Numbers rise by one."""
    first, second, third = a_chain(3)

    problem = verify([first, second, second, third])

    assert (2, Fault.ORDER) == (problem.seq, problem.fault)


def test_a_term_that_falls_back_is_found():
    """An older leader wrote after a newer one; people's entries, term 0, stand anywhere."""
    assert verify(a_chain(4, terms=(1, 2, 0, 2))) is None

    problem = verify(a_chain(4, terms=(1, 3, 0, 2)))

    assert (4, Fault.TERM, True) == (problem.seq, problem.fault, "term 2 after term 3" in str(problem))


def test_a_time_that_falls_back_is_found():
    """Even when the hash is right."""
    problem = verify(relinked(a_chain(3), at=EIGHT))

    assert (3, Fault.TIME) == (problem.seq, problem.fault)


# --------------------------------------------------------------------------------------------------------- audits


def test_an_audit_counts_the_good_entries():
    """Up to the end of a good chain."""
    entries = a_chain(4)

    found = audit(entries, head=entries[1].hash)

    assert (True, 4, Head(4, entries[3].hash)) == (found.ok, found.entries, found.head)


def test_a_cut_tail_shows_against_a_published_head():
    """A chain alone cannot show it; whoever kept a head can."""
    entries = a_chain(4)

    assert audit(entries[:3]).ok
    found = audit(entries[:3], head=entries[3].hash)

    assert (False, 3, Fault.CUT) == (found.ok, found.entries, found.problem.fault)
    assert "tail was cut off" in str(found.problem)


def test_a_cut_tail_shows_against_what_was_seen():
    """The first entry that is gone is named."""
    entries = a_chain(4)

    problem = audit(entries[:2], seen={4: entries[3].hash}).problem

    assert (3, Fault.CUT) == (problem.seq, problem.fault)


def test_a_chain_written_anew_shows_against_what_was_seen():
    """A whole forged chain verifies in itself."""
    entries = a_chain(4)
    forged = relinked(entries, body='{"number":7}')

    assert verify(forged) is None
    problem = audit(forged, seen={4: entries[3].hash}).problem

    assert (4, Fault.REWRITTEN) == (problem.seq, problem.fault)


@pytest.mark.parametrize(("keep", "ok"), [(7, True), (6, False)])
def test_control_totals_must_balance(keep, ok):
    """Every account read is in exactly one decision."""
    body = {"accounts": 10, "counts": {"keep": keep, "deactivate": 2, "reactivate": 0, "manual": 1}}
    found = audit([link(Draft("planned", body), at=EIGHT, term=0, previous=START)])

    assert ok == found.ok
    assert ok or (1, Fault.TOTALS) == (found.problem.seq, found.problem.fault)


def test_what_an_inspection_finds_is_named():
    """Personal data is looked at beside the chain."""
    found = audit(a_chain(3), inspect=lambda entry: "swapped" if entry.seq == 2 else "")

    assert (2, Fault.PERSONAL, "entry 2: swapped") == (found.problem.seq, found.problem.fault, str(found.problem))


# -------------------------------------------------------------------------------------------------------- exports


def an_export(length: int = 4) -> list[str]:
    """Lines of a chain whose second entry has a name beside it."""
    ref = personal_ref(SALT, personal_text({"name": "Ann Ü"}))
    entries = a_chain(1)
    entries.append(link(Draft("noted", {"n": 1.5e300}), at=entries[0].at, term=1, previous=START.after(entries[0]), who=ref))
    entries += a_chain(length - 2, start=START.after(entries[0]).after(entries[1]))
    return [
        export_line(Exported(entry, {"name": "Ann Ü"}, SALT.hex()) if entry.seq == 2 else Exported(entry)) for entry in entries
    ]


def test_an_export_verifies_without_the_ledger():
    """Lines as a file gives them."""
    found = verify_export(line + "\n" for line in an_export())

    assert (True, 4) == (found.ok, found.entries)


def test_a_line_holds_the_entry_as_an_object():
    """Readable with any JSON tool, and read back to the same entry."""
    line = an_export()[1]

    assert {"name": "Ann Ü"} == json.loads(line)["personal"]
    assert 1.5e300 == json.loads(line)["body"]["n"]
    assert line == export_line(read_line(line))


def test_a_name_may_be_left_out_of_an_export_but_not_changed():
    """Blanked names leave an export that still verifies; other names do not."""
    lines = an_export()
    blanked = read_line(lines[1])

    assert verify_export([lines[0], export_line(Exported(blanked.entry)), *lines[2:]]).ok
    swapped = export_line(replace(blanked, personal={"name": "Bob"}))
    problem = verify_export([lines[0], swapped, *lines[2:]]).problem

    assert (2, Fault.PERSONAL) == (problem.seq, problem.fault)


def test_a_name_cannot_be_added_to_an_entry_that_has_none():
    """Only an entry with a reference has personal data."""
    lines = an_export()
    added = export_line(replace(read_line(lines[2]), personal={"name": "Ann Ü"}, salt=SALT.hex()))

    assert Fault.PERSONAL == verify_export([*lines[:2], added]).problem.fault


@pytest.mark.parametrize(
    "line",
    [
        "",
        "null",
        "[]",
        "{}",
        "nonsense",
        '{"seq":1}',
        "[" * 100_000,
        '{"at":1,"body":{},"cycle":"","hash":"","kind":"","previous_hash":"","seq":1,"subject":"","term":0}',
        '{"at":"","body":{},"cycle":"","hash":"","kind":"","previous_hash":"","seq":true,"subject":"","term":0}',
    ],
)
def test_a_line_that_is_none_is_refused(line):
    """With a word, never with a traceback of something else."""
    with pytest.raises(ValueError, match="not a line that a ledger export writes"):
        read_line(line)


def test_a_bad_line_is_named_by_its_number():
    """So that an auditor can look at it."""
    lines = an_export()

    found = verify_export([lines[0], lines[1].replace(",", ", "), *lines[2:]])

    assert (1, 2, Fault.UNREADABLE) == (found.entries, found.problem.seq, found.problem.fault)
    assert "line 2" in str(found.problem)


# ------------------------------------------------------------------------------------------------ any quiet change

EXPORT = "\n".join(an_export(5)).encode()
EXPORT_HEAD = read_line(EXPORT.decode().split("\n")[-1]).entry.hash


def refused(changed: bytes) -> bool:
    """Whether an export is no longer accepted, or is no text at all."""
    try:
        lines = changed.decode().split("\n")
    except UnicodeDecodeError:
        return True
    return not verify_export(lines, EXPORT_HEAD).ok


@given(st.integers(0, len(EXPORT) - 1), st.integers(1, 255))
def test_any_single_byte_edited_in_an_export_is_found(place, difference):
    """Inside a string, a number, a key, a hash, a name or between two lines."""
    changed = bytearray(EXPORT)
    changed[place] ^= difference

    assert refused(bytes(changed))


@given(st.integers(0, len(EXPORT) - 1), st.integers(1, 400))
def test_any_stretch_deleted_from_an_export_is_found(place, length):
    """One byte, a line, or the tail."""
    assert refused(EXPORT[:place] + EXPORT[place + length :])


@given(st.integers(0, len(EXPORT)), st.binary(min_size=1, max_size=3))
def test_any_insertion_into_an_export_is_found(place, added):
    """A blank at the end of a line is one too."""
    assert refused(EXPORT[:place] + added + EXPORT[place:])


CHAIN = a_chain(6, terms=(1, 0, 1, 2, 0, 2))
TEXTS = ("at", "cycle", "kind", "subject", "body", "previous_hash", "hash")


@given(st.sampled_from(range(6)), st.sampled_from(TEXTS), st.data())
def test_any_single_character_edited_in_an_entry_is_found_there(index, field, data):
    """At the entry itself, or where the next one should continue it."""
    before = getattr(CHAIN[index], field)
    place = data.draw(st.integers(0, len(before)))
    after = before[:place] + data.draw(st.characters()) + before[place + 1 :]
    changed = [*CHAIN[:index], replace(CHAIN[index], **{field: after}), *CHAIN[index + 1 :]]

    problem = verify(changed)

    assert (after == before) == (problem is None)
    assert problem is None or problem.seq == index + 1


@given(st.permutations(range(6)))
def test_any_other_order_is_found(order):
    """Swapped entries, wherever they stand."""
    assert (sorted(order) == order) == (verify(CHAIN[index] for index in order) is None)


@given(st.sets(st.integers(0, 5), min_size=1))
def test_any_deletion_is_found_against_the_head(gone):
    """A cut tail included."""
    left = [entry for index, entry in enumerate(CHAIN) if index not in gone]

    problem = audit(left, head=CHAIN[-1].hash).problem

    assert min(gone) + 1 == problem.seq

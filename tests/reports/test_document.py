"""The cycle document as text is the cycle document, to the byte."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.model import Action, CycleReport, Decision, Reason, SeenByOthers, Status, ZoomAccount
from syncd.reports.document import cycle_document, decision_row, written
from tests.reports.a_cycle import NOW, a_cycle

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
MAYBE = st.none() | TEXTS
MOMENTS = st.none() | st.datetimes(timezones=st.just(UTC))
LISTS = st.lists(TEXTS, max_size=3).map(tuple)
ACCOUNT: dict[str, st.SearchStrategy[Any]] = {
    "zoom_id": MAYBE,
    "email": TEXTS,
    "status": st.sampled_from(Status),
    "display_name": TEXTS,
    "role_id": MAYBE,
    "role": MAYBE,
    "type": st.none() | st.integers(0, 99),
    "plan": MAYBE,
    "licences": MAYBE,
    "group_ids": LISTS,
    "department": TEXTS,
    "last_login_at": MOMENTS,
    "created_at": MOMENTS,
    "room": st.booleans(),
}
DECISION: dict[str, st.SearchStrategy[Any]] = {
    "account": st.builds(ZoomAccount, **ACCOUNT),
    "action": st.sampled_from(Action),
    "reason": st.sampled_from(Reason),
    "directory_id": MAYBE,
    "matched_by": MAYBE,
    "group_path": LISTS,
    "notes": LISTS,
    "since": MOMENTS,
    "due_at": MOMENTS,
    "department": TEXTS,
}
DECISIONS = st.builds(Decision, **DECISION)
#: What cycles work with; no row tells it.
UNTOLD = {"second_look", "shown"}


def with_decisions(*decisions: Decision) -> CycleReport:
    report = a_cycle()
    assert report.plan is not None
    return replace(report, plan=replace(report.plan, decisions=decisions))


def rows(report: CycleReport) -> list[str]:
    """The rows as they are written, a line each."""
    lines = "".join(written(report)).split('"decisions": [\n', 1)[1].split("\n ],\n", 1)[0].split("\n  ")
    return [line.strip(" ").removesuffix(",") for line in lines]


@given(DECISIONS)
def test_a_row_is_written_as_json_writes_it(decision: Decision) -> None:
    """Whatever stands in it; most rows have a way of their own."""
    report = with_decisions(decision)
    row, (text,) = decision_row(report, decision), rows(report)

    assert row == json.loads(text), "reports/document.py: _plain_row writes other values than decision_row"
    assert json.dumps(row, ensure_ascii=False) == text, "reports/document.py: _plain_row writes them in another order"


def test_every_field_has_values_above() -> None:
    """One that never has a value would be the same in both ways of writing a row, whatever they write."""
    assert set(ZoomAccount.__struct_fields__) == set(ACCOUNT)
    assert set(Decision.__struct_fields__) - UNTOLD == set(DECISION)


@pytest.mark.parametrize("omit", [(), ("display_name",), ("department",), ("display_name", "department")])
def test_the_text_is_the_document(omit: tuple[str, ...]) -> None:
    """Every kind of row, with outcomes, and with what others did."""
    report = a_cycle(3)
    document: dict[str, Any] = cycle_document(report, omit)

    assert document == json.loads("".join(written(report, omit)))
    assert list(document) == list(json.loads("".join(written(report, omit))))


def test_a_row_says_what_somebody_else_did() -> None:
    """Also one that changes nothing."""
    report = a_cycle(1)
    assert report.plan is not None
    kept = next(one for one in report.plan.decisions if one.action is Action.KEEP and one.account.zoom_id)
    report = replace(report, foreign=(SeenByOthers(kept.account.zoom_id or "", "", "activated", NOW, "event", ""),))

    said = {row["zoom_id"]: row["witness"] for row in json.loads("".join(written(report)))["decisions"]}
    assert {kept.account.zoom_id} == {zoom_id for zoom_id, word in said.items() if word == "foreign"}
    assert [row["witness"] for row in cycle_document(report)["decisions"]] == list(said.values())

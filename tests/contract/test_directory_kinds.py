"""What every registered kind of directory brings with it, and what becomes of one that reads only its first page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from syncd.config.directories import Directory as Section
from syncd.config.schema import json_schema
from syncd.directories.kind import DirectoryKind
from syncd.directories.kinds import KINDS
from syncd.errors import SourceError
from syncd.observe.metrics import CREDENTIALS, OPERATIONS, SERVICES
from syncd.reading import Complete, Page, Walk
from tests.contract import directories, test_directory_contract
from tests.contract.directories import Company

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_a_kind_brings_its_folder_section_example_docs_company_and_metrics(kind: DirectoryKind):
    """Whoever adds a fourth one is told here what is missing."""
    example = ROOT / "config" / f"{kind.name.replace('_', '-')}.yaml"
    page = ROOT / "docs" / "how-to" / f"{kind.name.replace('_', '-')}.md"

    assert (ROOT / "syncd" / "directories" / kind.name / "kind.py").is_file()
    assert kind.name in Section.model_fields, "no section of the configuration"
    assert f"\n  {kind.name}:" in example.read_text(), "no example configuration"
    every_key = (ROOT / "config" / "syncd.example.yaml").read_text()
    assert re.search(rf"(?m)^ *#? *{kind.name}:", every_key), "not in the example of every key"
    assert kind.title.lower() in page.read_text(encoding="utf-8").lower(), "no page in docs/how-to"
    assert kind.name in directories.COMPANIES, "no company for the contract suite"
    assert kind.name in json_schema()["$defs"]["Directory"]["properties"]
    assert not kind.service or (kind.service in SERVICES and OPERATIONS[kind.service] == kind.operations)
    assert not kind.operations or kind.operations[-1] == "other"
    assert not kind.credential or kind.credential in CREDENTIALS
    section = Section.model_fields[kind.name].annotation
    assert section is not None
    assert kind.not_policy <= set(section.__args__[0].model_fields), "a key that the section has not"


def test_the_configuration_knows_no_other_kind():
    """And no kind is registered that cannot be configured."""
    assert set(Section.model_fields) == set(KINDS)


@pytest.mark.parametrize(
    ("kind", "was", "now", "same"),
    [
        ("active_directory", "active_directory:dc=corp,dc=example", "active_directory:dc=corp,dc=example", True),
        ("active_directory", "active_directory:dc=corp,dc=example", "active_directory:dc=a,dc=b;dc=corp,dc=example", True),
        ("active_directory", "active_directory:dc=other,dc=example", "active_directory:dc=a,dc=b;dc=corp,dc=example", False),
        ("active_directory", "entra:1", "active_directory:dc=corp,dc=example", False),
        ("entra", "entra:1", "entra:1", True),
        ("entra", "entra:1", "entra:2", False),
        ("file", "file:/srv/people.csv", "file:", True),
        ("file", "entra:1", "file:", False),
    ],
)
def test_what_a_ledger_was_bound_to_is_compared_as_the_kind_knows(kind: str, was: str, now: str, same: bool):
    """Ledgers of 0.1.0 too: they hold the first base's domain, and the path of a file."""
    assert KINDS[kind].same(was, now) is same


def test_the_order_of_bases_is_no_identity():
    """Neither are blanks, case and what lies below the domain."""

    class Bases:
        def __init__(self, *bases: str) -> None:
            self.base_dn = bases

    identity = KINDS["active_directory"].identity
    assert identity(Bases("OU=A,DC=corp,DC=example", "DC=x,DC=y")) == identity(Bases("dc = x , dc=y", "OU=B,DC=Corp,DC=Example"))


class FirstPageOnly(Walk[Any]):
    """A skeleton: what an adapter does that never looks whether there is more."""

    def take(self, page: Page[Any]) -> None:
        super().take(Page(page.items, None))


async def test_a_directory_that_reads_only_its_first_page_fails_the_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The suite that every registered kind gets by itself says so; and the same company passes when it is read whole."""

    async def first_page(ask: Any, pages: Walk[Any] | None = None) -> Complete[Any]:
        skeleton = FirstPageOnly()
        skeleton.take(await ask(None, 1))
        return skeleton.complete()

    @asynccontextmanager
    async def opened(crowd: int = 0) -> AsyncIterator[Company]:
        async with directories.an_entra_tenant(tmp_path, crowd) as company:
            yield company

    await test_directory_contract.test_every_page_is_read(partial(opened))
    monkeypatch.setattr("syncd.directories.entra.graph.walk", first_page)
    with pytest.raises((AssertionError, SourceError)):
        await test_directory_contract.test_every_page_is_read(partial(opened))

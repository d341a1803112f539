"""Values that only look like traps are left alone, and warnings say what is probably not meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncd.config import load
from syncd.config.advice import advice
from syncd.config.document import parse
from syncd.config.traps import traps
from syncd.errors import ConfigError

BASE = """\
mode: report
directory: {file: {path: people.csv}}
zoom: {account_id: abc, client_id: xyz, client_secret_env: ZOOM_SECRET}
scope: {domains: [corp.example, "*.sub.example"]}
match: {domain_aliases: {old.example: corp.example}}
"""


def advised(tmp_path: Path, more: str) -> tuple[str, ...]:
    file = tmp_path / "syncd.yaml"
    file.write_text(
        BASE.replace('scope: {domains: [corp.example, "*.sub.example"]}', "") + more if "scope:" in more else BASE + more
    )
    return advice(load(file, {"ZOOM_SECRET": "x"}), Path("/srv"))


@pytest.mark.parametrize(
    "text",
    [
        'groups: ["CN=Zoom Users,OU=Groups,DC=corp,DC=example", "CN=B,DC=corp,DC=example"]',
        'groups: ["CN=Users", "OU=Groups"]',  # quoted: two items were meant
        "groups: [CN=Users]",
        "groups: [A=B plan, Staff]",
        "base_dn:\n  - DC=corp,DC=example\n  - DC=lab,DC=example",
        "name: O\u2019Brien\u2019s team",
        "name: 5 \u2013 7",
        "name: cost $100",
        "name: svc$",
        "secret_env: $ZOOM",  # told by the rule of its own
        "share: 50%",
    ],
)
def test_what_is_meant_as_it_stands_is_no_trap(text: str) -> None:
    assert [] == list(traps(parse(text.encode())))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ledger: {url: sqlite:///ledger.db}", "/srv/ledger.db"),
        ("guards: {sentinels: [canary@elsewhere.example]}", "not in scope.domains"),
        ('protect: {accounts: ["*"]}', "nobody there will ever be changed"),
        ('protect: {accounts: ["*@corp.example"]}', "every account of corp.example:"),
        ("scope: {domains: [corp.example], pilot: [ann@elsewhere.example]}", "nobody will ever be changed"),
        (
            "handover: {after: 90d, end: delete, zoom_deletes_after: 90d, client_id: a, client_secret_env: ZOOM_SECRET}",
            "90d is not shorter than 90d (zoom_deletes_after)",
        ),
    ],
)
def test_what_is_probably_not_meant_is_told(tmp_path: Path, text: str, says: str) -> None:
    """One warning, which says what to do."""
    [line] = advised(tmp_path, text)

    assert says in line


@pytest.mark.parametrize(
    "text",
    [
        "ledger: {url: sqlite:////var/lib/syncd/ledger.db}",
        "ledger: {url: postgresql://db.corp.example/syncd}",
        "guards: {sentinels: [Canary@Corp.Example, a@x.sub.example, b@old.example]}",
        'protect: {accounts: ["svc-*@corp.example", "*-admin@*", ceo@corp.example, "*@elsewhere.example"]}',
        'scope: {domains: [corp.example], pilot: [ann@elsewhere.example, "b*"]}',
        "scope: {domains: [corp.example], pilot: [ann@corp.example]}",
        "handover: {after: 89d, end: delete, zoom_deletes_after: 90d, client_id: a, client_secret_env: ZOOM_SECRET}",
        "handover: {after: 90d, end: delete, zoom_deletes_after: null, client_id: a, client_secret_env: ZOOM_SECRET}",
    ],
)
def test_nothing_is_told_about_what_is_as_it_should_be(tmp_path: Path, text: str) -> None:
    assert () == advised(tmp_path, text)


def test_the_caret_stands_under_the_value(tmp_path: Path) -> None:
    """Whatever the line holds before it: wide letters and tabs count as one."""
    file = tmp_path / "syncd.yaml"
    file.write_text(BASE + "guards: {sentinels: [ann@corp.example, oops]}\n")

    with pytest.raises(ConfigError) as caught:
        load(file, {"ZOOM_SECRET": "x"})

    [problem] = caught.value.problems
    _, line, caret = problem.splitlines()
    assert "oops" == line[caret.index("^") : caret.rindex("^") + 1]

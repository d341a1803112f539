"""A directory that is a file: whole or not at all, and every fault named by its line."""

from __future__ import annotations

import asyncio
import codecs
import io
import os
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from syncd.directories.file.reader import FileDirectory, FileDirectorySettings
from syncd.directories.file.watch import FileWatcher
from syncd.errors import SourceError
from syncd.events import Event, ReadProgress
from syncd.model import DirectoryGroup, DirectorySnapshot, GroupUse, Person

AT = datetime(2026, 11, 25, 19, 5, tzinfo=UTC)
HEADER = "id,display_name,addresses,enabled,expires_at,groups,department\n"
ANN = "p1,Ann,ann@corp.example;a.smith@corp.example,true,,Zoom Users;Staff,Sales\n"
BOB = "p2,Bob,bob@corp.example,false,2026-12-31T23:00:00+01:00,Staff,\n"


class StoppedClock:
    """Always the same moment."""

    def now(self) -> datetime:
        return AT

    def monotonic(self) -> float:
        return 0.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("reading a file needs no sleep")

    def random(self) -> float:
        return 0.0

    def unique(self) -> str:
        return "abcdefghijkl"


def directory(path: Path, **uses: tuple[str, ...]) -> FileDirectory:
    return FileDirectory(FileDirectorySettings(path, **uses), StoppedClock(), lambda _event: None)


def written(folder: Path, content: str | bytes, name: str = "people.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


async def read(folder: Path, content: str | bytes, name: str = "people.csv", **uses: tuple[str, ...]) -> DirectorySnapshot:
    return await directory(written(folder, content, name), **uses).read()


async def refused(folder: Path, content: str | bytes, name: str = "people.csv") -> str:
    with pytest.raises(SourceError) as raised:
        await read(folder, content, name)
    assert "directory" == raised.value.source
    assert str(folder / name) in raised.value.what
    assert raised.value.do
    return str(raised.value)


# ------------------------------------------------------------------------------------------------------ what is read


async def test_people_are_read_as_written(tmp_path: Path) -> None:
    """Addresses as keys, times in UTC, empty enabled is true, empty expiry is never."""
    snapshot = await read(tmp_path, HEADER + ANN + BOB + "p3,,,,,,\n", groups=("Zoom Users",))

    assert (
        Person(
            "p1", ("ann@corp.example",), "Ann", entitled_by=("Zoom Users",), department="Sales", aliases=("a.smith@corp.example",)
        ),
        Person("p2", ("bob@corp.example",), "Bob", enabled=False, expires_at=datetime(2026, 12, 31, 22, tzinfo=UTC)),
        Person("p3"),
    ) == snapshot.people
    assert ("file", AT) == (snapshot.source, snapshot.read_at)


async def test_without_configured_groups_everybody_in_the_file_is_entitled(tmp_path: Path) -> None:
    """Even somebody in no group; such a read has no group to guard."""
    snapshot = await read(tmp_path, HEADER + ANN + "p3,,,,,,\n")

    assert [("everybody",), ("everybody",)] == [person.entitled_by for person in snapshot.people]
    assert () == snapshot.groups


async def test_groups_entitle_let_go_and_protect(tmp_path: Path) -> None:
    """Each configured group is counted; a person names one group per use, the one configured first."""
    snapshot = await read(
        tmp_path,
        HEADER + "p1,,,,,Zoom B;Zoom A;VIP,\np2,,,,,zoom a;Leavers,\np3,,,,,Other,\n",
        groups=("Zoom A", "Zoom B"),
        leaver_groups=("Leavers",),
        protecting_groups=("VIP",),
    )

    assert [(("Zoom A",), (), ("VIP",)), (("Zoom A",), ("Leavers",), ()), ((), (), ())] == [
        (person.entitled_by, person.leaver_by, person.protected_by) for person in snapshot.people
    ]
    assert (
        DirectoryGroup("Zoom A", "Zoom A", GroupUse.ENTITLING, 2, entry="Zoom A"),
        DirectoryGroup("Zoom B", "Zoom B", GroupUse.ENTITLING, 1, entry="Zoom B"),
        DirectoryGroup("Leavers", "Leavers", GroupUse.LEAVERS, 1, entry="Leavers"),
        DirectoryGroup("VIP", "VIP", GroupUse.PROTECTING, 1, entry="VIP"),
    ) == snapshot.groups


async def test_a_group_that_no_row_names_has_no_members(tmp_path: Path) -> None:
    """A file cannot tell an emptied group from a mistyped one: it says that nothing shows the group, and others judge."""
    snapshot = await read(tmp_path, HEADER + ANN, groups=("Zoom Userz",))

    nobody = DirectoryGroup("Zoom Userz", "Zoom Userz", GroupUse.ENTITLING, 0, exists=False, entry="Zoom Userz")
    assert (nobody,) == snapshot.groups


async def test_a_header_alone_is_a_whole_read_of_nobody(tmp_path: Path) -> None:
    """The guard directory-empty holds it; it is not unreadable."""
    assert () == (await read(tmp_path, HEADER, groups=("Zoom Users",))).people


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(codecs.BOM_UTF8 + (HEADER + ANN).encode(), id="byte order mark"),
        pytest.param((HEADER + ANN).replace("\n", "\r\n"), id="Windows line ends"),
        pytest.param(HEADER + "\n" + ANN + "\n\n", id="empty lines"),
        pytest.param((HEADER + ANN).replace("\n", ",,,,\n"), id="empty columns at the end"),
        pytest.param(HEADER + ANN.replace("\n", ",,\n"), id="empty columns at the end of a row"),
        pytest.param("sep=,\n" + HEADER + ANN, id="Excel's first line"),
        pytest.param("sep=,,,,,,,\n" + HEADER + ANN, id="Excel's first line, saved again"),
        pytest.param("\ufeff\nsep=,\n\n" + HEADER + ANN, id="Excel's first line between empty ones"),
        pytest.param((HEADER + ANN).replace("\n", ", ,\t,\n"), id="blank columns at the end"),
        pytest.param(
            "groups,department,id,enabled,addresses,expires_at,display_name\n"
            "Zoom Users;Staff,Sales,p1,TRUE,Ann@Corp.example ; a.smith@corp.example,,Ann\n",
            id="columns in any order",
        ),
        pytest.param(
            HEADER + '"p1","Ann","ann@corp.example;a.smith@corp.example","true","","Zoom Users;Staff","Sales"\n', id="quoted"
        ),
    ],
)
async def test_spellings_of_the_same_file_are_the_same_read(tmp_path: Path, content: str | bytes) -> None:
    """What spreadsheets make of a file does not matter."""
    assert (await read(tmp_path, HEADER + ANN)).digest == (await read(tmp_path, content, "other.csv")).digest


async def test_the_department_column_may_be_left_out(tmp_path: Path) -> None:
    """All others must be there."""
    snapshot = await read(tmp_path, "id,display_name,addresses,enabled,expires_at,groups\np1,Ann,a@b.example,,,\n")

    assert [("p1", "")] == [(person.id, person.department) for person in snapshot.people]


@pytest.mark.parametrize(
    ("value", "addresses", "unclear"),
    [
        ("ann", (), ""),
        ("sip:c@d.example", (), ""),
        (";;", (), ""),
        ("a@b.example;;c@d.example;", ("a@b.example", "c@d.example"), ""),
        ("a@b.example\u00ad", ("a@b.example",), ""),
        ("x;a@b.example", ("a@b.example",), ""),
        ("a\u00ad@b.example", (), "entry 1 of addresses holds an invisible character before the @"),
        ('"a@b.example,c@d.example"', (), "entry 1 of addresses holds more than one @"),
        (
            "a@b..example;Ann <a@b.example>",
            (),
            "entry 1 of addresses has no domain after the @; entry 2 of addresses holds a blank or a separator before the @",
        ),
        ("a@b.example;Ann <x@b.example>", ("a@b.example",), "entry 2 of addresses holds a blank or a separator before the @"),
    ],
)
async def test_addresses_are_judged_as_in_every_directory(
    tmp_path: Path, value: str, addresses: tuple[str, ...], unclear: str
) -> None:
    """One broken value makes its person unclear; the file is read all the same."""
    [person, bob] = (await read(tmp_path, HEADER + f"p1,,{value},,,,\np2,Bob,bob@corp.example,,,,\n")).people

    assert (addresses, unclear) == (person.addresses, person.unclear)
    assert bool(person.unclean) is bool(unclear)
    assert ("", ("bob@corp.example",)) == (bob.unclear, bob.mains)


async def test_a_manager_and_a_person_number_have_their_columns(tmp_path: Path) -> None:
    """The number's where the configuration says; it must be there then."""
    path = written(tmp_path, "id,display_name,addresses,enabled,expires_at,groups,manager,staff_no\np1,,a@b.example,,,,p9,0042\n")
    numbered = FileDirectorySettings(path, person_number="staff_no")
    [person] = (await FileDirectory(numbered, StoppedClock(), lambda _: None).read()).people
    assert ("p9", "0042") == (person.manager, person.number)
    with pytest.raises(SourceError, match="unknown column 'staff_no'"):
        await FileDirectory(FileDirectorySettings(path), StoppedClock(), lambda _: None).read()
    with pytest.raises(SourceError, match=r"the column 'badge' is missing, which match\.person_number names"):
        await FileDirectory(FileDirectorySettings(path, person_number="badge"), StoppedClock(), lambda _: None).read()

    listed = written(tmp_path, "people:\n- {id: p1, manager: p9, staff_no: 0042}\n", "people.yaml")
    [person] = (await FileDirectory(replace(numbered, path=listed), StoppedClock(), lambda _: None).read()).people
    assert ("p9", "0042") == (person.manager, person.number)


async def test_a_number_of_two_columns_is_nobodys(tmp_path: Path) -> None:
    """It says who is who, so that none of the two is guessed."""
    path = written(tmp_path, "id,display_name,addresses,enabled,expires_at,groups,nr,nr\np1,,a@b.example,,,,7,8\n")
    numbered = FileDirectory(FileDirectorySettings(path, person_number="nr"), StoppedClock(), lambda _: None)
    with pytest.raises(SourceError, match="line 1: the column 'nr' stands here twice"):
        await numbered.read()


async def test_an_old_file_is_unreadable_and_its_age_is_said(tmp_path: Path) -> None:
    """From one second beyond max_age on; check tells the age of any."""
    path, clock = written(tmp_path, HEADER + ANN), StoppedClock()
    at = clock.now().timestamp()
    directory = FileDirectory(FileDirectorySettings(path, max_age=timedelta(hours=26)), clock, lambda _: None)
    os.utime(path, (at, at - 26 * 3600))
    assert 1 == len((await directory.read()).people)
    assert "written 26 hours ago" in (await directory.check())[0][2]
    os.utime(path, (at, at - 26 * 3600 - 1))
    with pytest.raises(SourceError, match=r"was written 26 hours ago .* longer ago than directory\.file\.max_age \(26 hours\)"):
        await directory.read()
    assert not (await directory.check())[0][1]
    os.utime(path, (at, at + 600))  # another machine's clock
    assert 1 == len((await directory.read()).people)


async def test_check_names_unclear_people_and_counts_values_that_are_no_addresses(tmp_path: Path) -> None:
    """Warnings, no faults."""
    path = written(tmp_path, HEADER + "p1,,Ann <a@b.example>,,,,\np2,,bob;sip:b@b.example,,,,\n")
    lines = await FileDirectory(FileDirectorySettings(path), StoppedClock(), lambda _: None).check()

    assert all(fine for _, fine, _ in lines)
    assert "warning: 1 cannot be understood" in lines[1][2]
    assert "p1: entry 1 of addresses" in lines[1][2]
    assert "2 values of addresses are no addresses" in lines[2][2]


async def test_names_may_hold_commas_marks_and_any_script(tmp_path: Path) -> None:
    """Quoted as CSV wants it."""
    [person] = (await read(tmp_path, HEADER + 'p1,"Müller, ""Mü"" 李",ü@müller.example,,,,\n')).people

    assert ('Müller, "Mü" 李', ("ü@xn--mller-kva.example",)) == (person.display_name, person.addresses)


async def test_several_people_may_claim_one_address(tmp_path: Path) -> None:
    """That is decided elsewhere; the same address twice with one person counts once."""
    snapshot = await read(tmp_path, HEADER + "p1,,a@b.example;A@B.example,,,,\np2,,a@b.example,,,,\n")

    assert [("a@b.example",), ("a@b.example",)] == [person.addresses for person in snapshot.people]


async def test_progress_is_told(tmp_path: Path) -> None:
    """How many people came."""
    told: list[Event] = []

    await FileDirectory(FileDirectorySettings(written(tmp_path, HEADER + ANN + BOB)), StoppedClock(), told.append).read()

    assert [ReadProgress("directory", 2, 2)] == told


# ------------------------------------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param("", "empty (0 bytes)", id="0 bytes"),
        pytest.param("\n\n", "line 1: no header; the first line must be id,display_name,", id="blank lines only"),
        pytest.param(codecs.BOM_UTF8 + b"\n", "line 1: no header", id="a byte order mark only"),
        pytest.param(ANN, "line 1: this is not the header; write id,display_name,", id="no header"),
        pytest.param(
            HEADER.replace(",", ";") + ANN,
            "line 1: a semicolon separates the columns here; separate them by commas",
            id="semicolons between columns",
        ),
        pytest.param((HEADER + ANN).replace(",", "\t"), "line 1: a tab separates the columns here", id="tabs between columns"),
        pytest.param((HEADER + ANN).replace(",", "|"), "line 1: a bar (|) separates the columns here", id="bars between columns"),
        pytest.param("sep=;\n" + (HEADER + ANN).replace(",", ";"), "line 1: it says that a semicolon separates", id="sep=;"),
        pytest.param(
            "sep=;,,,\n" + (HEADER + ANN).replace(",", ";"), "line 1: it says that a semicolon separates", id="sep=; again"
        ),
        pytest.param((HEADER + ANN).replace(",", "^"), "line 1: '^' separates the columns here", id="carets"),
        pytest.param((HEADER + ANN).replace(",", "~"), "line 1: '~' separates the columns here", id="tildes"),
        pytest.param((HEADER + ANN).replace(",", ":"), "line 1: ':' separates the columns here", id="colons"),
        pytest.param((HEADER + ANN).replace(",", " "), "line 1: a blank separates the columns here", id="blanks"),
        pytest.param((HEADER + ANN).replace(",", "\x1f"), r"line 1: '\x1f' separates the columns here", id="unit separators"),
        pytest.param((HEADER + ANN).replace(",", "\uff0c"), "(fullwidth comma) separates the columns here", id="wide commas"),
        pytest.param((HEADER + ANN).upper().replace(",", ";"), "line 1: a semicolon separates the columns here", id="capitals"),
        pytest.param(
            HEADER + ANN + BOB.replace(";", "/").replace(",", ";"),
            "line 3: a semicolon separates the columns here, and commas those of the header",
            id="two kinds",
        ),
        pytest.param("SEP=\t\n" + (HEADER + ANN).replace(",", "\t"), "line 1: it says that a tab separates", id="sep=tab"),
        pytest.param((HEADER + ANN).rstrip("\n"), "line 2: the last line has no line end: was the file cut off?", id="cut"),
        pytest.param((HEADER + ANN)[:-9], "line 2: the last line has no line end", id="cut in its last column"),
        pytest.param(HEADER.rstrip("\n"), "line 1: the last line has no line end", id="cut in the header"),
        pytest.param(
            HEADER + ANN.rstrip("\n") + ",more\n", "line 2: 8 columns, but the header has 7", id="a full column too many"
        ),
        pytest.param(HEADER.replace("enabled", "Enabled") + ANN, "unknown column 'Enabled' (did you mean enabled?)", id="case"),
        pytest.param(HEADER.replace("groups", "teams") + ANN, "unknown column 'teams'; there are id,", id="unknown column"),
        pytest.param(HEADER.replace("enabled,", ""), "the column enabled is missing", id="missing column"),
        pytest.param(HEADER.replace("department", "id"), "the column id stands here twice", id="column twice"),
        pytest.param(HEADER + ANN + "p2,Bob\n", "line 3: 2 columns, but the header has 7", id="too few columns"),
        pytest.param(HEADER + ANN.replace(";", ","), "line 2: 9 columns, but the header has 7", id="too many columns"),
        pytest.param(HEADER + ANN + ",Ann,,,,,\n", "line 3: id is empty; give each person an id", id="no id"),
        pytest.param(HEADER + ANN + ", ,,,,,\n", "line 3: id is empty, and so is the whole row; delete it", id="an empty row"),
        pytest.param(HEADER + ANN + "\n" + ANN, "line 4: the same id as on line 2", id="the same id twice"),
        pytest.param(HEADER + "p\u200b1,,,,,,\n", "line 2: id holds an invisible character", id="invisible in an id"),
        pytest.param(HEADER + "p1,,,,,Zoom; ;Staff,\n", "line 2: groups holds an empty entry", id="empty group"),
        pytest.param(HEADER + "p1,,,yes,,,\n", "line 2: enabled is neither true nor false", id="bad boolean"),
        pytest.param(
            HEADER + "p1,,,,2026-12-31,,\n", "line 2: expires_at is no time; write 2026-12-31T23:00:00Z", id="bare date"
        ),
        pytest.param(HEADER + "p1,,,,2026-12-31T23:00:00,,\n", "line 2: expires_at is no time", id="no offset"),
        pytest.param(HEADER + "p1,,,,2026-02-30T23:00:00Z,,\n", "line 2: expires_at is no time", id="30th of February"),
        pytest.param(HEADER + "p1,,,,9999-12-31T23:00:00-10:00,,\n", "line 2: expires_at is no time", id="year 10000"),
        pytest.param(HEADER + "p1,,,,31.12.2026,,\n", "line 2: expires_at is no time", id="local date"),
        pytest.param((HEADER + ANN).encode() + b"p2,J\xf6rg,,,,,\n", "line 3: byte 0xf6 is not UTF-8", id="Latin-1"),
        pytest.param((HEADER + ANN).encode("utf-16"), "line 1: this is UTF-16; save the file as UTF-8", id="UTF-16"),
        pytest.param(HEADER + ANN + "p2,\0,,,,,\n", "line 3: a NUL byte", id="NUL"),
        pytest.param(
            HEADER + ANN + 'p2,"Bob,,,,,\n', "line 3: a quotation mark is opened here and never closed", id="open quote"
        ),
        pytest.param(HEADER + 'p1,"Ann"x,,,,,\n', "line 2: a quotation mark inside a text; write it twice", id="quote inside"),
        pytest.param(HEADER + f"p1,{'x' * 200_000},,,,,\n", "line 2: a text of more than 131,072 characters", id="huge text"),
    ],
)
async def test_a_faulty_file_is_unreadable_and_says_where_and_what_to_write(
    tmp_path: Path, content: str | bytes, says: str
) -> None:
    """Exit 4, never a smaller directory."""
    assert says in await refused(tmp_path, content)


async def test_an_open_quotation_mark_cannot_swallow_a_person(tmp_path: Path) -> None:
    """The mark closes by chance on the next line, the columns still tie out, and Bob would be gone: two people made one."""
    swallowed = 'p1,"Ann,ann@corp.example,,,,\np2,Bob",bob@corp.example,,,,\n'

    assert "line 2: a line break inside quotation marks" in await refused(tmp_path, HEADER + swallowed)


async def test_up_to_five_problems_are_named_and_all_are_counted(tmp_path: Path) -> None:
    """So that one correction does not just lead to the next error."""
    says = await refused(tmp_path, HEADER + "p1,,,maybe,,,\n" * 1 + "".join(f"p{n},,,maybe,,,\n" for n in range(2, 1300)))

    assert "1,299 problems" in says
    assert "line 6: " in says
    assert "line 7: " not in says
    assert "and 1,294 more" in says


async def test_no_message_quotes_an_address(tmp_path: Path) -> None:
    """Columns may be shifted, so any value may be one; messages end in logs."""
    for content in (
        ANN,
        HEADER + "p1,Ann,true,ann@corp.example,,,\n",
        HEADER + "p1,,,,ann@corp.example,,\n",
        HEADER + "p1,,,,,ann@corp.example;;,\n",
        HEADER + "ann@corp.example,,,,,,\n" * 2,
        HEADER.replace("department", "ann@corp.example"),
    ):
        assert "ann@" not in await refused(tmp_path, content)


async def test_a_missing_file_is_unreadable(tmp_path: Path) -> None:
    """And so is whatever is no file."""
    with pytest.raises(SourceError, match=r"nobody\.csv cannot be read \(No such file or directory\)"):
        await directory(tmp_path / "nobody.csv").read()
    with pytest.raises(SourceError, match="is not a file"):
        await directory(tmp_path).read()


class Growing(type(Path())):  # type: ignore[misc]
    """A path whose file gets another line whenever it has just been read."""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        path = Path(self)

        class File(io.FileIO):
            def read(self, size: int | None = -1, /) -> bytes:
                content = super().read(size)
                with path.open("ab") as more:
                    more.write(BOB.encode())
                return content or b""

        return File(str(self), "rb")


async def test_a_file_that_changes_while_it_is_read_is_unreadable(tmp_path: Path) -> None:
    """Nobody knows what half of it would have been."""
    path = written(tmp_path, HEADER + ANN)

    with pytest.raises(SourceError, match="changed while it was read") as raised:
        await directory(Growing(path)).read()

    assert "rename" in raised.value.do


# -------------------------------------------------------------------------------------------------------------- YAML

YAML = """\
people:
- id: p1
  display_name: Ann
  addresses: [ann@corp.example, A.Smith@corp.example]
  enabled: true
  groups: Zoom Users;Staff
  department: Sales
- {id: p2, display_name: Bob, addresses: bob@corp.example, enabled: false, expires_at: 2026-12-31T23:00:00+01:00, groups: [Staff]}
"""


async def test_yaml_is_the_same_directory(tmp_path: Path) -> None:
    """The same keys; lists or semicolons; keys that say nothing may be left out."""
    from_yaml = await read(tmp_path, YAML, "people.yaml", groups=("Zoom Users",))

    assert (await read(tmp_path, HEADER + ANN + BOB, groups=("Zoom Users",))).people == from_yaml.people


async def test_yaml_values_are_taken_as_written(tmp_path: Path) -> None:
    """No word becomes a boolean, no number loses its zeros, null is nothing."""
    snapshot = await read(
        tmp_path,
        codecs.BOM_UTF8
        + b"""people:
  - {id: 007, display_name: no, groups: [on, 1e3], department: null, expires_at: ~, addresses: []}
""",
        "people.yml",
        groups=("1e3",),
    )

    assert (Person("007", (), "no", entitled_by=("1e3",)),) == snapshot.people


async def test_an_empty_list_of_people_is_a_whole_read_of_nobody(tmp_path: Path) -> None:
    """As a header alone is in CSV."""
    assert () == (await read(tmp_path, "people: []\n", "people.yaml")).people


@pytest.mark.parametrize(
    ("content", "says"),
    [
        pytest.param("", "empty (0 bytes)", id="0 bytes"),
        pytest.param("# nobody\n", "no key people", id="comments only"),
        pytest.param("{}\n", "line 1: no key people; write people:", id="no people"),
        pytest.param("people:\n", "line 1: people must be a list; write people: [] if there really is nobody", id="nothing"),
        pytest.param("- id: p1\n", "line 1: the file must have one key, people:", id="a list at the top"),
        pytest.param("people: []\nteams: []\n", "line 2: unknown key 'teams'; the only one is people", id="another key"),
        pytest.param("people: []\npeople: []\n", "line 2: the key people stands here a second time", id="people twice"),
        pytest.param("people:\n- id: p1\n  id: p2\n", "line 3: the key id stands here a second time", id="a key twice"),
        pytest.param("people:\n- id: p1\n  adresses: x\n", "line 3: unknown key 'adresses' (did you mean addresses?)", id="typo"),
        pytest.param("people:\n- id: p1\n- Bob\n", "line 3: a person must be a mapping", id="not a mapping"),
        pytest.param("people:\n- id: [p1]\n", "line 2: the value of 'id' must be a text", id="a list as id"),
        pytest.param(
            "people:\n- id: p1\n  groups: {a: b}\n", "line 3: the value of 'groups' must be a text or a list", id="mapping"
        ),
        pytest.param("people:\n- id: p1\n  groups: [[a]]\n", "line 3: an entry of groups must be a text", id="nested list"),
        pytest.param("people:\n- display_name: Ann\n", "line 2: id is empty", id="no id"),
        pytest.param("people: [{id: p1}, {id: p1}]\n", "line 1: the same id as on line 1", id="the same id, on one line"),
        pytest.param("people:\n- id: p1\n  enabled: yes\n", "line 2: enabled is neither true nor false", id="yes"),
        pytest.param("people:\n- id: p1\n  expires_at: 2026-12-31\n", "line 2: expires_at is no time", id="bare date"),
        pytest.param("people:\n- id: p1\n  addresses: ann@corp.exam", "line 3: the last line has no line end", id="cut"),
        pytest.param("people:\n- &a {id: p1}\n- *a\n", "line 2: anchors and aliases are not allowed", id="anchor"),
        pytest.param("people:\n- id: !!str p1\n", "line 2: tags (!) are not allowed", id="tag"),
        pytest.param("people: []\n---\npeople: []\n", "line 2: a second document", id="two documents"),
        pytest.param("people:\n- id: p1\n   x: [\n", "line 3: not YAML", id="broken"),
        pytest.param("people:\n- ? [a]\n  : b\n", "a key must be a word", id="a key that is a list"),
        pytest.param("people:\n- id: \x01\n", "not YAML", id="control character"),
        pytest.param(b"people:\n- id: J\xf6rg\n", "line 2: byte 0xf6 is not UTF-8", id="Latin-1"),
    ],
)
async def test_faulty_yaml_is_unreadable_and_says_where(tmp_path: Path, content: str | bytes, says: str) -> None:
    """As strict as CSV."""
    assert says in await refused(tmp_path, content, "people.yaml")


async def test_yaml_nested_without_end_is_refused(tmp_path: Path) -> None:
    """Depth costs nothing: values are walked, not built."""
    assert "people must be a list" in await refused(tmp_path, "people: " + "{a: " * 5000 + "b" + "}" * 5000 + "\n", "people.yaml")


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)


@given(st.lists(st.tuples(WORDS, st.lists(WORDS, max_size=3), st.booleans()), max_size=6, unique_by=lambda each: each[0]))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_a_yaml_writer_writes_is_read_back(tmp_path: Path, people: list[tuple[str, list[str], bool]]) -> None:
    """Whatever quoting it chooses: no id, group or flag is lost or changed."""
    document = {"people": [{"id": id_, "groups": groups, "enabled": enabled} for id_, groups, enabled in people]}
    wanted = sorted({group for _, groups, _ in people for group in groups})

    snapshot = asyncio.run(read(tmp_path, yaml.safe_dump(document, allow_unicode=True), "people.yaml", groups=tuple(wanted)))

    assert sorted((id_, enabled) for id_, _, enabled in people) == [(each.id, each.enabled) for each in snapshot.people]
    assert all(group.members > 0 for group in snapshot.groups)


@given(st.binary(max_size=60) | st.text("id: pe[]{},;-&*!'\"#|>~?@.\\\n\r\t\x85\u2028", max_size=60).map(str.encode))
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@pytest.mark.parametrize(
    ("name", "beginnings"),
    [
        ("people.csv", ("", HEADER, HEADER + ANN[:-1])),
        ("people.yaml", ("", "people:\n", "people:\n- id: p1\n  ", "people:\n- {id: p1, groups: [")),
    ],
)
def test_any_bytes_are_read_whole_or_refused(tmp_path: Path, name: str, beginnings: tuple[str, ...], content: bytes) -> None:
    """Never another error, whatever follows a right beginning."""
    for beginning in beginnings:
        with suppress(SourceError):
            assert "file" == asyncio.run(read(tmp_path, beginning.encode() + content, name)).source


# ------------------------------------------------------------------------------------------------------- look again


async def test_looking_again_finds_by_id_and_by_any_address(tmp_path: Path) -> None:
    """Everybody who claims an address, each once; nobody for what nobody has."""
    files = directory(written(tmp_path, HEADER + ANN + BOB + "p3,,a.smith@corp.example,,,,\n"))
    await files.read()

    assert ["p1", "p3"] == [each.id for each in await files.recheck_person("p1", ["A.Smith@corp.example", "ann@corp.example"])]
    assert ["p2"] == [each.id for each in await files.recheck_person(None, ["bob@corp.example"])]
    assert () == await files.recheck_person("p9", ["nobody@corp.example"])


async def test_looking_again_at_an_unchanged_file_answers_from_the_reading_in_hand(tmp_path: Path) -> None:
    """The digest proves it; rewritten with the same bytes it is the same file."""
    path = written(tmp_path, HEADER + ANN)
    files = directory(path)
    held = (await files.read()).people[0]

    written(tmp_path, HEADER + ANN)

    assert held is (await files.recheck_person("p1", []))[0]


async def test_looking_again_at_a_changed_file_reads_it_anew(tmp_path: Path) -> None:
    """Ann left and Bob was entitled between plan and change."""
    files = directory(written(tmp_path, HEADER + ANN + BOB), groups=("Zoom Users",))
    await files.read()

    written(tmp_path, HEADER + BOB.replace("Staff", "Zoom Users"))

    assert () == await files.recheck_person("p1", ["ann@corp.example"])
    assert [("Zoom Users",)] == [each.entitled_by for each in await files.recheck_person("p2", [])]


async def test_looking_again_at_a_broken_file_is_unreadable(tmp_path: Path) -> None:
    """Then nothing is changed, although the earlier reading is in hand."""
    path = written(tmp_path, HEADER + ANN)
    files = directory(path)
    await files.read()

    written(tmp_path, HEADER + ANN + "p2\n")
    with pytest.raises(SourceError, match="line 3"):
        await files.recheck_person("p1", [])

    path.unlink()
    with pytest.raises(SourceError, match="cannot be read"):
        await files.recheck_person("p1", [])


async def test_looking_without_having_read_reads(tmp_path: Path) -> None:
    """Single accounts are handled without a cycle."""
    assert ["p1"] == [each.id for each in await directory(written(tmp_path, HEADER + ANN)).recheck_person("p1", [])]


async def test_many_looks_at_once_agree(tmp_path: Path) -> None:
    """One reading serves them all, the one after the change."""
    files = directory(written(tmp_path, HEADER + ANN))
    await files.read()
    written(tmp_path, HEADER + ANN + BOB)

    answers = await asyncio.gather(*(files.recheck_person("p2", []) for _ in range(20)))

    assert 1 == len({id(people[0]) for people in answers})


async def test_after_closing_nothing_is_kept(tmp_path: Path) -> None:
    """The next look reads."""
    files = directory(written(tmp_path, HEADER + ANN))
    held = (await files.read()).people[0]

    await files.close()

    again = (await files.recheck_person("p1", []))[0]
    assert held == again
    assert held is not again


# ------------------------------------------------------------------------------------------------------------- check


async def test_check_says_how_many_and_points_at_empty_groups(tmp_path: Path) -> None:
    """An empty entitling group is not in order; an empty leaver group may well be."""
    path = written(tmp_path, HEADER + ANN + BOB)

    assert [
        (f"directory file {path}", True, "2 people, 0 of them in an entitling group; written 0 seconds ago"),
        (
            "directory group Zoom User (entitling)",
            False,
            "no row names it: right if nobody is in it now, else correct its name; did you mean Zoom Users?",
        ),
        ("directory group Leavers (leavers)", True, "no row names it: right if nobody is in it now, else correct its name"),
    ] == list(await directory(path, groups=("Zoom User",), leaver_groups=("Leavers",)).check())


async def test_check_says_when_the_file_itself_entitles(tmp_path: Path) -> None:
    """No group is configured, so none can be empty."""
    path = written(tmp_path, HEADER + ANN)

    assert [(f"directory file {path}", True, "1 people, all of them entitled by this; written 0 seconds ago")] == list(
        await directory(path).check()
    )


async def test_check_of_an_unreadable_file_says_why(tmp_path: Path) -> None:
    """As a line, not as an error."""
    [(subject, well, says)] = await directory(tmp_path / "nobody.csv").check()

    assert (f"directory file {tmp_path / 'nobody.csv'}", False, True) == (subject, well, "cannot be read" in says)


async def test_rows_that_stay_the_same_are_the_same_people_and_everything_else_is_read_anew(tmp_path: Path) -> None:
    """For a watch: whatever becomes of the file, it is read as by somebody who never saw it before."""
    swapped = "id,addresses,display_name,enabled,expires_at,groups,department\n"
    two = "p1,,,,,Zoom Users,\np2,x,,,,Zoom Users,\n"
    contents = [
        HEADER + ANN + BOB,
        HEADER + BOB + ANN,
        HEADER + ANN,
        HEADER + ANN + ANN,
        HEADER + ANN.replace("Zoom Users", "Leavers") + BOB,
        HEADER + two,
        swapped + two,
        HEADER + ANN + BOB,
        HEADER + ANN + "p9,,bob;sip:b@b.example,,,Zoom Users,\n" + BOB,
        HEADER + ANN.replace("p1", "p3") + BOB,
        HEADER + ANN.replace("p1", "p2") + BOB,
        HEADER + ANN + BOB,
    ]
    path = written(tmp_path, contents[0])
    watched = directory(path, groups=("Zoom Users",), leaver_groups=("Leavers",))
    FileWatcher(watched, path)

    for content in contents:
        written(tmp_path, content)
        said = []
        for one in (watched, directory(path, groups=("Zoom Users",), leaver_groups=("Leavers",))):
            try:
                found = await one.read()
                checked = [line for line in await one.check() if "written" not in line[2]]
                said.append((found.people, found.groups, found.digest, checked))
            except SourceError as error:
                said.append(str(error))
        assert said[0] == said[1]


async def test_the_first_looks_and_the_many_after_them_find_the_same(tmp_path: Path) -> None:
    """However many changes one reading serves."""
    path = written(tmp_path, HEADER + ANN + BOB + "p3,,a.smith@corp.example,,,,\n")
    held = directory(path)
    await held.read()
    found = [{one.id for one in await held.recheck_person("p2", ["A.Smith@corp.example"])} for _ in range(25)]

    assert [{"p1", "p2", "p3"}] * 25 == found
    assert () == await held.recheck_person(None, ["nobody@corp.example"]) == await held.recheck_person("p9", [])

"""Evidence of wholeness: which walks give a list, which do not, and that nothing else makes one."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.model import DirectorySnapshot, Person, ZoomSnapshot
from syncd.reading import Complete, End, Mark, NotWhole, Page, Walk, in_one_piece, put_together, walk, walk_now
from syncd.reading.complete import FRUITLESS_PAGES_MAX
from tests.whole import complete, directory

NOW = datetime(2026, 11, 28, tzinfo=UTC)
ROOT = Path(__file__).parents[2]


def pages_of(items: Sequence[str], size: int, total: int | None = None) -> list[Page[str]]:
    """*items* as a service gives them, so many on each page."""
    parts = [items[start : start + size] for start in range(0, len(items), size)] or [[]]
    return [Page(part, None if number == len(parts) else f"to {number}", total) for number, part in enumerate(parts, 1)]


@given(st.lists(st.text(max_size=2), max_size=12), st.integers(1, 5))
async def test_every_item_of_every_page_comes(items: list[str], size: int):
    """In order; asked with what the page before named."""
    pages = pages_of(items, size)
    marks: list[Mark | None] = []

    async def ask(mark: Mark | None, number: int) -> Page[str]:
        marks.append(mark)
        return pages[number - 1]

    whole = await walk(ask)

    assert whole == tuple(items)
    assert whole.pages == len(pages)
    assert whole.end is End.NO_FURTHER_PAGE
    assert marks == [None, *(page.next for page in pages[:-1])]
    assert walk_now(lambda _, number: pages[number - 1]) == whole


@given(st.lists(st.text(max_size=2), max_size=12), st.integers(1, 5), st.integers(-2, 2))
def test_a_counted_list_is_whole_exactly_when_so_many_different_items_came(items: list[str], size: int, off: int):
    """What the service announces is the number of different ones."""
    different = len(set(items))
    total = max(0, different + off)
    pages = pages_of(items, size, total)

    def read() -> Complete[str]:
        return walk_now(lambda _, number: pages[number - 1], Walk(lambda item: item, counted=True, gaps=False))

    if total == different:
        whole = read()
        assert sorted(whole) == sorted(set(items))
        assert (whole.announced, whole.end) == (total, End.ANNOUNCED_TOTAL)
    else:
        with pytest.raises(NotWhole, match=f"{total}"):
            read()


@pytest.mark.parametrize(
    ("pages", "says"),
    [
        ([Page("ab", "x", 4), Page("cd", "x", 4)], "leads back to an earlier page"),
        ([Page("ab", "x", 4), Page("cd", None, 5)], "page 2 gives a total of 5, the pages before gave 4"),
        ([Page("ab", "x", 4), Page("", "y", 4)], "page 2 is empty but says that more follow"),
        ([Page("ab", None, None)], "page 1 gives no total"),
        ([Page("abc", "x", 2)], "by page 1 3 came, more than the total of 2"),
    ],
)
def test_a_list_that_contradicts_itself_is_not_whole(pages: list[Page[str]], says: str):
    """Named by page and number."""
    taken = Walk(lambda item: item, counted=True, gaps=False)

    for page in pages[:-1]:
        taken.take(page)
    with pytest.raises(NotWhole, match=says):
        taken.take(pages[-1])


def test_a_gap_is_legal_where_the_service_says_so():
    """Graph may send an empty page in the middle."""
    pages = [Page("a", "x"), Page("", "y"), Page("b", None)]

    assert walk_now(lambda _, number: pages[number - 1]) == ("a", "b")


@pytest.mark.parametrize("items", [[], ["a"]], ids=["empty", "repeated"])
@pytest.mark.parametrize("places", [True, False])
def test_a_list_that_never_ends_is_not_waited_for(items: list[str], places: bool):
    """Page after page with nothing new, each naming another one."""

    def ask(mark: Mark | None, number: int) -> Page[str]:
        assert number <= FRUITLESS_PAGES_MAX + 2, "it is still asked"
        return Page(items, f"to {number}" if places else b"onwards")

    with pytest.raises(NotWhole, match="this list does not end"):
        walk_now(ask, Walk(lambda item: item, places=places))


def test_many_gaps_in_a_row_are_legal():
    """A service filters thousands of objects of another kind away; what is new begins the count anew."""
    rows = [*[[]] * FRUITLESS_PAGES_MAX, ["a"], *[[]] * FRUITLESS_PAGES_MAX, ["b"]]
    pages = [Page(row, None if number == len(rows) else f"to {number}") for number, row in enumerate(rows, 1)]
    assert walk_now(lambda _, number: pages[number - 1], Walk(lambda item: item)) == ("a", "b")


def test_a_cookie_may_be_the_same_for_every_page():
    """As Samba gives it: a name for the search, not a place in it."""
    pages = [Page("a", b"x"), Page("b", b"x"), Page("c", None)]

    assert walk_now(lambda _, number: pages[number - 1], Walk(places=False)) == ("a", "b", "c")


def test_of_a_repeated_item_the_last_sight_counts():
    """And it counts once."""
    pages = [Page([("ann", 1), ("bob", 1)], "x"), Page([("ann", 2)], None)]

    assert walk_now(lambda _, number: pages[number - 1], Walk(lambda item: item[0])) == (("ann", 2), ("bob", 1))


def test_a_walk_that_is_left_gives_nothing():
    """After the first page, before any, or after the last one."""
    taken: Walk[str] = Walk()
    with pytest.raises(NotWhole, match="left after page 0"):
        taken.complete()
    taken.take(Page("ab", "x"))
    with pytest.raises(NotWhole, match=r"left after page 1 \(2 came\)"):
        taken.complete()
    taken.take(Page("c", None))
    with pytest.raises(NotWhole, match="page 3 came after the last one"):
        taken.take(Page("d", None))


@pytest.mark.parametrize(
    "made",
    [
        lambda whole: whole[:1],
        lambda whole: (*whole,),
        copy.deepcopy,
        lambda whole: pickle.loads(pickle.dumps(whole)),
        lambda whole: [*whole],
    ],
)
def test_what_is_made_of_a_complete_list_by_hand_is_no_evidence(made):
    """Neither a part of it nor a copy."""
    people = complete([Person("p"), Person("q")])
    snapshot = directory("file", NOW, people)

    assert isinstance(people, Complete)
    assert not isinstance(made(people), Complete)
    for smuggled in (
        lambda: DirectorySnapshot.whole("file", NOW, made(people), complete([])),
        lambda: replace(snapshot, people=made(people)),
        lambda: put_together([], made(people)),
        lambda: ZoomSnapshot.whole("a", NOW, made(complete([]))),
    ):
        with pytest.raises(TypeError):
            smuggled()


def test_nobody_else_can_make_one():
    """Not by its constructor, and not out of nothing."""
    with pytest.raises(TypeError, match="walk to the end"):
        Complete([1], object(), pages=1, announced=None, end=End.WHOLE_FILE)
    with pytest.raises(TypeError):
        put_together([1])


def test_evidence_adds_up():
    """What is put together of several lists came in all their pages."""
    one = walk_now(lambda _, number: Page("a", "x" if number == 1 else None, 1), Walk(str, counted=True))
    whole = put_together([1, 2], one, in_one_piece("b", End.WHOLE_FILE))

    assert (whole, whole.pages, whole.announced) == ((1, 2), 3, None)
    assert put_together([1], one, one).announced == 2


SKELETON = """
from datetime import datetime
from syncd.model import DirectoryGroup, DirectorySnapshot, Person
from syncd.reading.complete import FRUITLESS_PAGES_MAX
from syncd.reading import Complete, Page, Walk

def first_page() -> Page[Person]: raise NotImplementedError

def groups() -> Complete[DirectoryGroup]: raise NotImplementedError

def read(now: datetime) -> DirectorySnapshot:
    page = first_page()
    pages: Walk[Person] = Walk()
    pages.take(page)
    return DirectorySnapshot.whole("fourth", now, {people}, groups())
"""


@pytest.mark.parametrize(
    ("people", "fine"),
    [
        ("pages.complete()", True),
        ("page.items", False),
        ("tuple(page.items)", False),
        ("pages.complete()[:100]", False),
        ("(person for person in page.items)", False),
    ],
)
def test_a_directory_that_reads_only_its_first_page_does_not_type_check(tmp_path: Path, people: str, fine: bool):
    """A skeleton of a fourth directory: whatever it has in hand but the end of a walk is of another type."""
    path = tmp_path / "fourth.py"
    path.write_text(SKELETON.replace("{people}", people))
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(path)],
        cwd=ROOT,
        text=True,
        capture_output=True,
        check=False,
    )

    assert (checked.returncode == 0) is fine, checked.stdout
    assert fine or ('"Complete[Person]"' in checked.stdout and "arg-type" in checked.stdout)

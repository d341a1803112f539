"""A list that came whole, and the one walk that can say so. Knows nothing of HTTP, LDAP and files.

The catastrophe of this field is a list that looks whole and is not: everybody on the missing pages is "absent". So what a
snapshot is made of has a type of its own. ``Complete`` cannot be made by hand, and what is cut out of one is a plain tuple
again. It comes from

    Walk          pages until the service says that there are no more, with the total it announced, where it announces one
    in_one_piece  a source that is read at once, and can tell that it was read to its end (a file)
    put_together  what was worked out from lists that were complete, such as people with the groups they are in

A service whose list is no snapshot (items move between pages, page tokens end) is walked again from the first page after
``NotWhole``; a part is never taken as it stands.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

T = TypeVar("T")
U = TypeVar("U")

#: What leads to the next page: a token, a link or a cookie.
Mark = str | bytes

#: So many pages in a row that bring nothing new, and always name another one, are a list that never ends. Empty pages are legal
#: where a service filters: this is a million objects of another kind between two of ours, at the usual thousand a page.
FRUITLESS_PAGES_MAX = 1_000


class NotWhole(Exception):
    """The list contradicts itself, or cannot be gone on with; the text says on which page and how, with numbers."""


class End(StrEnum):
    """How it is known that nothing is missing."""

    ANNOUNCED_TOTAL = "as many different items came as every page announced"
    NO_FURTHER_PAGE = "the last page named no further one"
    LAST_RANGE = "the last range of values came"
    WHOLE_FILE = "the file did not change while it was read, and its last line ends"
    EACH_ASKED = "each one was asked for, and answered, by itself"


class _Seal:
    """Only this file has one."""


_SEAL = _Seal()


class Complete(tuple[T, ...]):  # noqa: SLOT001  -- a tuple cannot have slots with values
    """Everything a list holds. *pages* it came in, *announced* (the total the service gave, None where it gives none), and how
    its *end* was known. Equal to any tuple of the same items; a slice of it is a plain tuple, which is no evidence."""

    pages: int
    announced: int | None
    end: End

    def __new__(cls, items: Iterable[T], seal: _Seal, *, pages: int, announced: int | None, end: End) -> Complete[T]:
        """Only for this file: whoever has no seal has walked no list. Raises TypeError."""
        if seal is not _SEAL:
            raise TypeError("a Complete is made by a walk to the end of a list")
        self = super().__new__(cls, items)
        self.pages, self.announced, self.end = pages, announced, end
        return self

    def __reduce__(self) -> tuple[object, ...]:
        """A copy that passed through bytes is no evidence."""
        return tuple, (tuple(self),)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page: its items, what leads to the *next* page (None: the service says that this is the last), and the *total* of
    the whole list as this page gives it, where the service gives one."""

    items: Sequence[T]
    next: Mark | None
    total: int | None = None


class Walk(Generic[T]):
    """Takes the pages of one list in order. ``complete`` gives the list once the last page was taken, and raises before.

    *key*: what tells two items apart. Then a repeated item counts once, as the page that came later shows it. *counted*: the
    service announces a total, which must be the same on every page and exactly the number of different items. *gaps*: an
    empty page in the middle is legal. *places*: what leads to a page names a place in the list, so that one used before leads
    back (an LDAP cookie does not: a server may give the same one for every page). A list that goes on and on without anything new
    is not waited for.
    """

    def __init__(
        self,
        key: Callable[[T], Hashable] | None = None,
        *,
        counted: bool = False,
        gaps: bool = True,
        places: bool = True,
    ) -> None:
        self._key = key
        self._counted, self._gaps, self._places = counted, gaps, places
        self._items: list[T] = []
        self._by_key: dict[Hashable, T] = {}
        self._used: set[Mark] = set()
        self._pages = 0
        self._fruitless = 0  # pages in a row, up to the latest one, that brought nothing new
        self._total: int | None = None
        self._ended = False

    def __len__(self) -> int:
        """How many different items came so far."""
        return len(self._items) if self._key is None else len(self._by_key)

    def take(self, page: Page[T]) -> Mark | None:
        """Takes the next page and gives what leads to the one after it. Raises NotWhole."""
        if self._ended:
            raise NotWhole(f"page {self._pages + 1} came after the last one")
        self._pages += 1
        before = len(self)
        if self._counted:
            self._demand_total(page)
        if self._key is None:
            self._items += page.items
        else:
            self._by_key.update((self._key(item), item) for item in page.items)
        if self._total is not None and len(self) > self._total:
            raise NotWhole(f"by page {self._pages} {len(self)} came, more than the total of {self._total}")
        if page.next is None:
            self._demand_all()
        elif self._places and page.next in self._used:
            raise NotWhole(f"page {self._pages} leads back to an earlier page ({self._so_far()})")
        elif not page.items and not self._gaps:
            raise NotWhole(f"page {self._pages} is empty but says that more follow ({self._so_far()})")
        elif (fruitless := 0 if len(self) > before else self._fruitless + 1) > FRUITLESS_PAGES_MAX:
            raise NotWhole(
                f"page {self._pages} is number {fruitless:,} in a row with nothing new, and names another one "
                f"({self._so_far()}): this list does not end"
            )
        else:
            self._fruitless = fruitless
            self._used.add(page.next)
        return page.next

    def complete(self) -> Complete[T]:
        """The list. Raises NotWhole when its last page was not taken."""
        if not self._ended:
            raise NotWhole(f"the list was left after page {self._pages} ({self._so_far()})")
        return Complete(
            self._items if self._key is None else self._by_key.values(),
            _SEAL,
            pages=self._pages,
            announced=self._total,
            end=End.ANNOUNCED_TOTAL if self._counted else End.NO_FURTHER_PAGE,
        )

    def _demand_total(self, page: Page[T]) -> None:
        if page.total is None:
            raise NotWhole(f"page {self._pages} gives no total")
        if self._total is not None and page.total != self._total:
            raise NotWhole(f"page {self._pages} gives a total of {page.total}, the pages before gave {self._total}")
        self._total = page.total

    def _demand_all(self) -> None:
        if self._total is not None and len(self) != self._total:
            raise NotWhole(f"{len(self)} of {self._total} came by the last page, {self._pages}")
        self._ended = True

    def _so_far(self) -> str:
        return f"{len(self)} came" if self._total is None else f"{len(self)} of {self._total} came"


async def walk(ask: Callable[[Mark | None, int], Awaitable[Page[T]]], pages: Walk[T] | None = None) -> Complete[T]:
    """Asks for page after page until the last. *ask* gets what the page before named (None at first) and the page's number
    from 1. Raises NotWhole, and whatever *ask* raises."""
    pages = pages if pages is not None else Walk()
    mark, number = pages.take(await ask(None, 1)), 1
    while mark is not None:
        number += 1
        mark = pages.take(await ask(mark, number))
    return pages.complete()


def walk_now(ask: Callable[[Mark | None, int], Page[T]], pages: Walk[T] | None = None) -> Complete[T]:
    """``walk`` for a source that is asked without waiting in the event loop."""
    pages = pages if pages is not None else Walk()
    mark, number = pages.take(ask(None, 1)), 1
    while mark is not None:
        number += 1
        mark = pages.take(ask(mark, number))
    return pages.complete()


def in_one_piece(items: Iterable[T], end: End) -> Complete[T]:
    """A list that comes at once from a source that can tell its *end*: a file that did not change while it was read, values up
    to the last range, single objects that were asked for one by one."""
    return Complete(items, _SEAL, pages=1, announced=None, end=end)


def put_together(items: Iterable[U], *sources: Complete[Any]) -> Complete[U]:
    """What was worked out of complete lists and of nothing else: *items*, made of *sources*. Raises TypeError without any."""
    if not sources:
        raise TypeError("nothing can be worked out of no list")
    demand_complete(*sources)
    totals = [source.announced for source in sources]
    announced = None if None in totals else sum(total for total in totals if total is not None)
    return Complete(items, _SEAL, pages=sum(source.pages for source in sources), announced=announced, end=sources[0].end)


def demand_complete(*lists: tuple[object, ...]) -> None:
    """For whoever may be handed a list from outside the type checker's sight. Raises TypeError for one without evidence."""
    for items in lists:
        if not isinstance(items, Complete):
            raise TypeError("a list of unknown wholeness: a snapshot takes nothing but a Complete")

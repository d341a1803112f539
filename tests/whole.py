"""Snapshots for tests: lists that a test says are whole, by a walk over one page."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

from syncd.model import DirectoryGroup, DirectorySnapshot, Person, ZoomAccount, ZoomSnapshot
from syncd.reading import Complete, Page, Walk

T = TypeVar("T")


def complete(items: Iterable[T]) -> Complete[T]:
    """*items* as a service with one page would have given them."""
    pages: Walk[T] = Walk()
    pages.take(Page(tuple(items), None))
    return pages.complete()


def directory(
    source: str, read_at: datetime, people: Iterable[Person], groups: Iterable[DirectoryGroup] = (), **more: Any
) -> DirectorySnapshot:
    """A directory with these people."""
    return DirectorySnapshot.whole(source, read_at, complete(people), complete(groups), **more)


def zoom(account_id: str, read_at: datetime, accounts: Iterable[ZoomAccount], **more: Any) -> ZoomSnapshot:
    """A Zoom account with these users."""
    return ZoomSnapshot.whole(account_id, read_at, complete(accounts), **more)

"""Evidence of wholeness: lists that provably came to their end, and the one walk that alone can make them."""

from syncd.reading.complete import (
    Complete,
    End,
    Mark,
    NotWhole,
    Page,
    Walk,
    demand_complete,
    in_one_piece,
    put_together,
    walk,
    walk_now,
)

__all__ = [
    "Complete",
    "End",
    "Mark",
    "NotWhole",
    "Page",
    "Walk",
    "demand_complete",
    "in_one_piece",
    "put_together",
    "walk",
    "walk_now",
]

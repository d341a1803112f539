"""Closed lists of words that the outside of syncd is made of, as an operator reads them in the contract."""

from __future__ import annotations

#: Every guard that judges a plan, in the order of documents.
GUARDS = (
    "directory-empty",
    "directory-shrunk",
    "group-emptied",
    "group-replaced",
    "directory-stale",
    "sentinel-missing",
    "match-rate",
    "nothing-in-scope",
    "zoom-empty",
    "clock-skew",
    "protected-in-plan",
    "ledger-broken",
    "ledger-new",
    "ledger-rolled-back",
    "paused",
    "max-deactivations",
    "max-deactivations-percent",
    "max-deactivations-per-day",
    "max-deactivations-per-30-days",
    "flapping",
    "policy-changed",
    "max-reactivations",
    "max-reactivations-per-day",
)

"""The databases a ledger lies in, and files beside them."""

"""What a ledger proves of a period: who left, when their access ended, what is missing."""

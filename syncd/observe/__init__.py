"""Log, metrics, messages and pages: told what happened, never in the way."""

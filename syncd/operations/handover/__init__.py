"""Handing content over, by people alone: list, plan, approve, run, release."""

"""Carrying out one plan, and nothing but it."""

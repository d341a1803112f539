"""Documents and tables for people and their programs."""

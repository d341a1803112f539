"""syncd keeps Zoom accounts in step with the company directory. ``operations/cycle.py`` is the file to read first."""

__version__ = "0.2.0"

"""syncd keeps Zoom accounts in step with the company directory. ``cycle.py`` is the file to read first."""

__version__ = "0.1.0"

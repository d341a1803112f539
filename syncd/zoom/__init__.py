"""Zoom, as it is documented and as it behaves."""

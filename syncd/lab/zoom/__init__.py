"""The simulated Zoom."""

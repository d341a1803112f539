"""A simulated Zoom and Entra ID, and a demo company."""

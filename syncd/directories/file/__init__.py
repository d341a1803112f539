"""People from a file: CSV, JSON or YAML."""

"""The machine it runs on: clock, secrets, certificates, keys and files."""

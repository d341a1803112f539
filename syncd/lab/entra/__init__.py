"""The simulated sign-in service of Entra ID."""

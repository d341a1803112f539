"""People from Entra ID, over Microsoft Graph."""

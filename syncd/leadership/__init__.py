"""Who may change things when several run."""

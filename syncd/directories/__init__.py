"""Where people are read: one folder a kind of directory, and what all kinds share."""

"""What was done and why, in a chain of hashes: kinds of entries, history, audit."""

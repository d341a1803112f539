"""The one way to ask something over HTTP: pace, retries, tokens, trust."""

"""The world outside the terminal: the serving subject, and the systems that speak of it."""

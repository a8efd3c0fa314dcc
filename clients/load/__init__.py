"""Load tests: what is sent, when, by a process of its own, and what came back."""

"""What the embedded cluster holds at its start and what happens in it: one module a scenario."""

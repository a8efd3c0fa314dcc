"""What managed clouds have in common: signed calls, polling, one write at a time, secrets."""

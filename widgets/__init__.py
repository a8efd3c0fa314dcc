"""Draws plain values. No I/O, no awaiting."""

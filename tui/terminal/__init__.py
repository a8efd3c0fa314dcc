"""Between Textual and the terminal: what the terminal can do, and how little is sent to it."""

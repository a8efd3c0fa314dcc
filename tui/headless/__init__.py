"""Commands without a screen: snapshot, event stream, scaling. They import neither Textual nor widgets."""

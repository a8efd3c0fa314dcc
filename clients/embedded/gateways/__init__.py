"""The way from outside to the simulated models: gateways, their routes, and what engines answer."""

"""GPUs under the groups: what node agents tell of them, and servegrid's own agent."""

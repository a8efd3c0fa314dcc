"""A fake of ModelArts' v2 real-time services: one region and project, on loopback, in simulated time."""

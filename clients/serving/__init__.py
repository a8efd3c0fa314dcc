"""The subject itself, pure: workloads, groups, roles, phases, events, changes, plans, guards."""

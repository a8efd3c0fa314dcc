"""The budgets: each script prints our figure, a named reference measured in the same run, and the ratio."""

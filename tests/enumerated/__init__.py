"""Each call of a load fails once, in each way: what comes of it, and what the next run makes of it."""

"""Contract checks, dedup, bots, clocks, sessions: DataFrame to DataFrame."""

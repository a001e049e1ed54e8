"""Events given the history, by likelihood."""

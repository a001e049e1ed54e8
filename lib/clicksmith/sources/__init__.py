"""Real data sets and log formats, mapped to the contract's raw events. Needs Spark; import the modules."""

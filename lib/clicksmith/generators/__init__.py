"""What learns to generate rows of each kind of data. torch; neither Spark nor Ray."""

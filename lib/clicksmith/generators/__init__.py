"""Networks that learn to generate training examples. torch; neither Spark nor Ray."""

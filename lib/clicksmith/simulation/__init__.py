"""A click stream of any size with a known truth. Kernels are numpy and Arrow; only `writer` needs Spark."""

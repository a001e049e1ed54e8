"""Ray Train: pinned snapshots to tensors, loops, checkpoints."""

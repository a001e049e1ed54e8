"""What every run of training needs: Ray's workers, the loop, checkpoints, sharding, progress."""

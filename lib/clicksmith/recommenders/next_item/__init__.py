"""Next-item models, their losses' parts, augmentations, and the baselines that count."""

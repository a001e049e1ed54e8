"""Figures of generated rows beside real ones: how alike, how varied, how useful, how private."""

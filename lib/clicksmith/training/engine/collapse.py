"""Seeing a mode collapse in the diversity of a sample, against the best sample so far.

It is a collapse when the diversity falls under `COLLAPSED` of the best checkpoint's, or, while none was as
good as `GOOD`, under `SEVERE`: many trainings start narrow and widen by themselves (ctgan on a toy: .22 at
steps 30 and 60, .98 from step 120 on; a plain GAN on a ring of modes: .09 at step 450, .22 later). Those that
do not are far lower: dense_gan falls to .01. `generators.diversity` says what diversity is.
"""

COLLAPSED = 0.5
GOOD = 0.5
SEVERE = 0.03


def is_collapse(diversity: float, best: float) -> bool:
    """Whether a sample shows a collapse, given the best checkpoint's diversity (0 where there is none)."""
    return diversity < (COLLAPSED * best if best >= GOOD else SEVERE)

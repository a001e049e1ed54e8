"""The presets that make sequences, a file each: what can be set, and what is made of it."""

import clicksmith.config  # noqa: F401 - first, since it looks for presets in this folder

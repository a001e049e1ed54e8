"""From what each observation contributes to intervals of a difference."""

"""The kinds of models whose lift is measured, and what each arm adds to their rows."""

"""One self-contained page that says what was found, how well it is known, and from what."""

"""Two samples of rows: coded alike, their distances, and how far a figure of them would stray."""

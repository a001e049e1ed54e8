"""All that a decision rests on: the data, the arms, their differences, intervals and the verdict."""

"""Where to cut, whether a probability is one, and what a bad picture costs."""

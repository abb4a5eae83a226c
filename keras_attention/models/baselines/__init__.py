"""Models by recurrence and convolution, to compare attention with."""

"""The task that gives vectors of texts, and what compares them."""

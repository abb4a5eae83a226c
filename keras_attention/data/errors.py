"""The error that data raises."""


class DataError(ValueError):
    """Data that is missing, damaged, or does not fit what was asked of it."""

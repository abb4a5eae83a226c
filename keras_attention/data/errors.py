"""The errors that data raises."""


class DataError(ValueError):
    """Data that is missing, damaged, or does not fit what was asked of it."""


class MissingSplit(DataError):
    """A split that a data set does not have."""


class MissingColumn(DataError):
    """A column that a table does not have.

    Args:
        message: string.
        role: what the column is for, such as `"label"`, or None.
    """

    def __init__(self, message, role=None):
        super().__init__(message)
        self.role = role


class VocabularyError(DataError):
    """A vocabulary that cannot be learned from some texts.

    Args:
        message: string.
        largest: integer, the largest vocabulary that the texts support; None
            where something else is wrong.
    """

    def __init__(self, message, largest=None):
        super().__init__(message)
        self.largest = largest

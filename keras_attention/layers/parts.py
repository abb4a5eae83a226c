"""A list of sublayers that stays as it was made."""


class Parts(tuple):
    """Sublayers in order, none of which can be replaced.

    Keras notices when an attribute of a built layer is set, and not when an
    item of a list is: another layer in its place would be called, but neither
    trained nor described in a file.
    """

    def __setitem__(self, index, part):
        raise ValueError(
            "A part of a model cannot be replaced after construction: Keras "
            "would neither train nor save the new one. Give parts to the "
            "constructor, for example attention=[...] with one for each "
            f"block. Received: {part!r} in place of {self[index]!r}"
        )

"""A learned vector for every position, added to embeddings."""

import keras
from keras import initializers, ops

from keras_attention.checks import check_integer
from keras_attention.positions.base import PositionalEncoding
from keras_attention.registry import PACKAGE
from keras_attention.tensors import check_ids, known_integer


@keras.saving.register_keras_serializable(package=PACKAGE)
class LearnedEncoding(PositionalEncoding):
    """Adds a trainable vector for each absolute position.

    Args:
        max_length: integer, how many positions have a vector.
        offset: integer added to every position before the look-up; some
            published models keep their first rows unused.
        skips_padding: whether a model counts positions over tokens alone,
            and gives padding that before the first (RoBERTa); takes an
            `offset`.
        initializer: of the table `(max_length + offset, hidden_dim)`.

    Call arguments:
        x: `(batch, length, hidden_dim)`.
        start: integer, the position of the first row of `x`.
        positions: integers `(batch, length)`, in place of `start`.

    Returns:
        `(batch, length, hidden_dim)` in the dtype of `x`.

    Raises:
        ValueError: if a position reaches `max_length`.

    Example:

    ```python
    import keras
    from keras_attention import LearnedEncoding, TransformerEncoder

    model = TransformerEncoder(
        100, 2, 32, 4, position=LearnedEncoding(max_length=128)
    )
    model(keras.random.randint((2, 50), 1, 100)).shape  # (2, 50, 32)
    ```

    Reference:
        Gehring et al. 2017, Convolutional Sequence to Sequence Learning,
        https://arxiv.org/abs/1705.03122
    """

    paper = "Gehring et al. 2017"

    def __init__(
        self,
        max_length=512,
        offset=0,
        skips_padding=False,
        initializer="truncated_normal",
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_integer("max_length", max_length)
        check_integer("offset", offset, smallest=int(skips_padding))
        self.max_length = max_length
        self.offset = offset
        self.skips_padding = skips_padding
        if initializer == "truncated_normal":
            initializer = initializers.TruncatedNormal(stddev=0.02)
        self.initializer = initializers.get(initializer)

    def build(self, input_shape):
        self.table = self.add_weight(
            name="table",
            shape=(self.max_length + self.offset, input_shape[-1]),
            initializer=self.initializer,
            autocast=False,
        )

    def call(self, x, start=0, positions=None):
        return self.embed(x, start=start, positions=positions)

    def embed(self, x, start=0, positions=None):
        if positions is None:
            rows = self._places(x, start)
        else:
            rows = ops.convert_to_tensor(positions)
            check_ids(
                "positions",
                rows,
                self.max_length,
                "max_length",
                smallest=-int(self.skips_padding),
            )
            rows = ops.cast(rows, "int32")
        table = ops.take(self.table, rows + self.offset, axis=0)
        return ops.cast(ops.cast(x, table.dtype) + table, x.dtype)

    def _places(self, x, start):
        length = ops.shape(x)[1]
        known = known_integer(start), known_integer(length)
        # Where Keras infers shapes for torch, it makes up a length.
        device = getattr(x, "device", None)
        made_up = getattr(device, "type", None) == "meta"
        if None not in known and not made_up and sum(known) > self.max_length:
            raise ValueError(
                "LearnedEncoding has no vector for positions from "
                f"max_length={self.max_length} on. Received: start="
                f"{known[0]}, length={known[1]}"
            )
        return ops.cast(start, "int32") + ops.arange(length, dtype="int32")

    def get_config(self):
        return {
            **super().get_config(),
            "max_length": self.max_length,
            "offset": self.offset,
            "skips_padding": self.skips_padding,
            "initializer": initializers.serialize(self.initializer),
        }

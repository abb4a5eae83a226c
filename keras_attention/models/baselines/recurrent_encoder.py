"""The recurrent encoder."""

import keras
from keras import ops

from keras_attention.checks import check_shape
from keras_attention.layers import embeddings, recurrence
from keras_attention.layers.dropout import make_dropout
from keras_attention.layers.parts import Parts
from keras_attention.masks import as_mask
from keras_attention.models import least_weights
from keras_attention.models.call_inputs import unpack
from keras_attention.models.hidden_states import HiddenStates
from keras_attention.models.saving.preset import Preset
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class RecurrentEncoder(HiddenStates, Preset, keras.Model):
    """Reads a source with recurrent layers, in one direction or in both.

    Padding leaves the state as it is: the direction that reads backwards
    starts at the last token, however much padding follows.

    Args:
        vocabulary_size: integer, number of tokens.
        num_layers: integer, number of layers.
        hidden_dim: integer, width of each direction.
        embedding_dim: integer, width of the embedding; `hidden_dim` by
            default.
        cell: `"gru"` or `"lstm"`.
        bidirectional: whether each layer reads the source in both directions;
            the vectors of a token are then concatenated.
        dropout: float, for the embeddings and between the layers.
        embedding: `"tokens"`, a configuration, or a layer with a method
            `padding_mask(inputs)`, which is used as it is.

    Call arguments:
        token_ids: integers `(batch, length)`, or a dictionary with
            `token_ids` and optionally `padding_mask`.
        padding_mask: boolean `(batch, length)`; by default where the ids are
            not the padding id, 0.
        training: whether to apply dropout.

    Returns:
        A dictionary: `"hidden"`, `(batch, length, output_dim)` with zeros at
        padding, and `"state"`, the last states: a dictionary of `"layer_0"`
        and so on, each of `"hidden"` and with LSTM cells `"cell"`, `(batch,
        hidden_dim)`. Of both directions they are those of the backward one,
        which has ended at the first token.

    Raises:
        ValueError: if an argument is out of its range.

    Example:

    ```python
    import keras
    from keras_attention import Classifier, RecurrentEncoder

    encoder = RecurrentEncoder(100, num_layers=1, hidden_dim=32, cell="lstm")
    model = Classifier(encoder, num_classes=2, pooling="max")
    model(keras.random.randint((2, 50), 1, 100)).shape  # (2, 2)
    ```

    Reference:
        Bahdanau et al. 2014, Neural Machine Translation by Jointly Learning
        to Align and Translate, https://arxiv.org/abs/1409.0473;
        Schuster, Paliwal 1997, Bidirectional Recurrent Neural Networks
    """

    def __init__(
        self,
        vocabulary_size,
        num_layers,
        hidden_dim,
        *,
        embedding_dim=None,
        cell="gru",
        bidirectional=True,
        dropout=0.1,
        embedding="tokens",
        **kwargs,
    ):
        super().__init__(**kwargs)
        if embedding_dim is None:
            embedding_dim = hidden_dim
        recurrence.check_sizes(
            dropout,
            num_layers=num_layers,
            hidden_dim=hidden_dim,
            embedding_dim=embedding_dim,
        )
        least_weights.check_layers("num_layers", num_layers)
        if not isinstance(bidirectional, bool):
            raise ValueError(
                f"bidirectional must be True or False. Received: "
                f"{bidirectional!r}"
            )
        self.vocabulary_size = vocabulary_size
        self.num_layers = num_layers
        self.hidden_dim = hidden_dim
        self.embedding_dim = embedding_dim
        self.cell = cell
        self.bidirectional = bidirectional
        self.dropout = dropout
        policy = {"dtype": self.dtype_policy}
        self.embedding = make_embedding(
            embedding, vocabulary_size, embedding_dim, **policy
        )
        make_layer = (
            recurrence.Bidirectional if bidirectional else recurrence.make_layer
        )
        self.recurrent_layers = Parts(
            make_layer(cell, hidden_dim, name=f"layer_{index}", **policy)
            for index in range(num_layers)
        )
        self.dropouts = Parts(
            make_dropout(dropout, **policy) for _ in range(num_layers)
        )
        self.build()

    def build(self, input_shape=None):
        if self.built:
            return
        least_weights.check_recurrent(self, 1 + self.bidirectional)
        known_shape = getattr(self.embedding, "known_shape", None)
        if not self.embedding.built and known_shape is not None:
            self.embedding.build(known_shape)
        dim = self.embedding_dim
        for layer in self.recurrent_layers:
            layer.build((None, None, dim))
            dim = self.output_dim

    @property
    def output_dim(self):
        """Width of the vector of a token."""
        return self.hidden_dim * (1 + self.bidirectional)

    def call(self, token_ids, padding_mask=None, training=None):
        token_ids, padding_mask = unpack(
            token_ids, ("token_ids", None), ("padding_mask", padding_mask)
        )
        if padding_mask is None:
            padding_mask = self.padding_mask(token_ids)
        padding_mask = as_mask("padding_mask", padding_mask)
        x = self.embedding(token_ids, training=training)
        shape = tuple(x.shape[:2])
        if padding_mask is not None:
            check_shape("padding_mask", padding_mask, shape)
        if shape[1] == 0:
            raise ValueError(
                "A source must have one place at least, which may be padding. "
                f"Received: {tuple(token_ids.shape)}"
            )
        recurrence.check_length(x)
        names, state = recurrence.state_names(self.cell), {}
        if shape[0] == 0:  # where Keras' LSTM fails on TensorFlow
            nothing = ops.zeros((0, self.hidden_dim), self.compute_dtype)
            for index in range(self.num_layers):
                state[f"layer_{index}"] = dict.fromkeys(names, nothing)
            hidden = ops.zeros((0, ops.shape(x)[1], self.output_dim), x.dtype)
            return {"hidden": hidden, "state": state}
        for index, layer in enumerate(self.recurrent_layers):
            x = self.dropouts[index](x, training=training)
            x, *states = layer(x, mask=padding_mask, training=training)
            last = states[-len(names) :]
            state[f"layer_{index}"] = dict(zip(names, last, strict=True))
        return {"hidden": x, "state": state}

    def padding_mask(self, token_ids):
        """Marks the positions of `(batch, length)` that hold a token."""
        return self.embedding.padding_mask(token_ids)

    def get_config(self):
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "num_layers": self.num_layers,
            "hidden_dim": self.hidden_dim,
            "embedding_dim": self.embedding_dim,
            "cell": self.cell,
            "bidirectional": self.bidirectional,
            "dropout": self.dropout,
            "embedding": embeddings.describe_shared(self.embedding),
        }


def make_embedding(embedding, vocabulary_size, embedding_dim, **options):
    """Makes an embedding, or checks the one that was given.

    Args:
        embedding: a name, a configuration, or a layer, used as it is.
        vocabulary_size: integer.
        embedding_dim: integer.
        **options: further arguments for what is left open.

    Returns:
        A layer.

    Raises:
        ValueError: if its sizes are others.
    """
    if not isinstance(embedding, keras.layers.Layer):
        embedding = embeddings.get(
            embedding,
            vocabulary_size=vocabulary_size,
            hidden_dim=embedding_dim,
            name="embedding",
            **options,
        )
    for ours, name, expected in (
        ("vocabulary_size", "vocabulary_size", vocabulary_size),
        ("embedding_dim", "hidden_dim", embedding_dim),
    ):
        received = getattr(embedding, name, expected)
        if received != expected:
            raise ValueError(
                f"The embedding has {name}={received}, the model "
                f"{ours}={expected}."
            )
    return embedding


def check_pair(encoder, decoder):
    """Raises ValueError for an encoder that a decoder cannot read.

    Args:
        encoder: what was received.
        decoder: a `RecurrentDecoder`.
    """
    if not isinstance(encoder, RecurrentEncoder):
        raise ValueError(
            "A RecurrentDecoder needs a RecurrentEncoder. Received: "
            f"{type(encoder).__name__}"
        )
    memory_dim = decoder.memory_dim or decoder.hidden_dim
    state_dim = decoder.state_dim or decoder.hidden_dim
    for name, theirs, ours in (
        ("cell", encoder.cell, decoder.cell),
        ("num_layers", encoder.num_layers, decoder.num_layers),
        ("memory_dim", encoder.output_dim, memory_dim),
        ("state_dim", encoder.hidden_dim, state_dim),
    ):
        if theirs != ours:
            raise ValueError(
                f"The decoder has {name}={ours!r}; the encoder gives "
                f"{theirs!r}."
            )

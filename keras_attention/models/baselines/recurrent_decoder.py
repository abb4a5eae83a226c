"""The recurrent decoder."""

import keras
from keras import ops, tree

from keras_attention.checks import check_integer, check_shape
from keras_attention.layers import embeddings, recurrence
from keras_attention.layers.attention_recurrence import AttentionRecurrence
from keras_attention.layers.dropout import make_dropout
from keras_attention.masks import as_mask, implicit_mask
from keras_attention.models import least_weights
from keras_attention.models.baselines.recurrent_encoder import (
    check_pair,
    make_embedding,
)
from keras_attention.models.call_inputs import unpack
from keras_attention.models.logits import Logits
from keras_attention.models.saving.preset import Preset
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class RecurrentDecoder(Logits, Preset, keras.Model):
    """Predicts each token from those before it and from a source.

    The state that it starts from is made of the last states of the encoder
    and lies in the memory. A cache, which knows no source, starts with zeros:
    the call or step with `start=0` takes its state from the memory, all
    others from the cache.

    Args:
        vocabulary_size: integer, number of tokens.
        num_layers: integer, number of recurrent layers.
        hidden_dim: integer, width of the recurrent layers.
        embedding_dim: integer, width of the embedding and of what logits are
            made of; `hidden_dim` by default.
        memory_dim: integer, width of the memory; `hidden_dim` by default.
        state_dim: integer, width of the encoder's last states, of which the
            first ones here are `tanh(W s)` (`W s` for the cell of an LSTM,
            which has no bounds). By default they are taken as they are.
        cell, attention, attention_order, input_feeding: see
            `RecurrentEncoderDecoder`.
        dropout: float, for the embeddings, between the layers, and before the
            logits.
        embedding: `"tokens"`, a configuration, or a layer, which is used as
            it is and may be shared.
        tie_embeddings: whether `logits` uses the embedding matrix.

    Call arguments:
        token_ids: integers `(batch, length)`, or a dictionary of the four
            tensors by name.
        padding_mask: boolean `(batch, length)`; by default every token
            counts, whatever its id. Padding leaves the state as it is.
        memory: what a `RecurrentEncoder` or `init_memory` returned.
        memory_padding_mask: boolean `(batch, memory_length)`.
        cache: dictionary from `init_cache`.
        start: integer, the position of the first token.
        training: whether to apply dropout.
        reverse: whether hidden states are given in place of ids, to be
            mapped to logits; see `logits`.

    Returns:
        `(batch, length, embedding_dim)`, of which `logits` makes logits; with
        a cache, `(hidden, cache)`; with `reverse=True` logits
        `(..., vocabulary_size)`.

    Raises:
        ValueError: if sizes do not fit or a part is unknown.

    Example:

    ```python
    import keras
    from keras_attention import (
        EncoderDecoder, RecurrentDecoder, RecurrentEncoder,
    )

    encoder = RecurrentEncoder(100, num_layers=1, hidden_dim=32)
    # The encoder reads in both directions, so its states are twice as wide.
    decoder = RecurrentDecoder(
        100, num_layers=1, hidden_dim=32, memory_dim=64, state_dim=32
    )
    model = EncoderDecoder(encoder, decoder)
    token_ids = keras.random.randint((2, 50), 1, 100)
    logits = model({"source_ids": token_ids, "target_ids": token_ids})
    logits.shape  # (2, 50, 100)
    ```
    """

    def __init__(
        self,
        vocabulary_size,
        num_layers,
        hidden_dim,
        *,
        embedding_dim=None,
        memory_dim=None,
        state_dim=None,
        cell="gru",
        attention="additive",
        attention_order="after",
        input_feeding=False,
        dropout=0.1,
        embedding="tokens",
        tie_embeddings=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if embedding_dim is None:
            embedding_dim = hidden_dim
        for name, size in (
            ("hidden_dim", hidden_dim),
            ("embedding_dim", embedding_dim),
            ("memory_dim", memory_dim),
            ("state_dim", state_dim),
        ):
            check_integer(name, 1 if size is None else size)
        least_weights.check_layers("num_layers", num_layers)
        self.vocabulary_size = vocabulary_size
        self.num_layers = num_layers
        self.hidden_dim = hidden_dim
        self.embedding_dim = embedding_dim
        self.memory_dim = memory_dim
        self.state_dim = state_dim
        self.cell = cell
        self.dropout = dropout
        self.tie_embeddings = tie_embeddings
        policy = {"dtype": self.dtype_policy}
        self.recurrence = AttentionRecurrence(
            num_layers,
            hidden_dim,
            embedding_dim,
            cell=cell,
            attention=attention,
            attention_order=attention_order,
            input_feeding=input_feeding,
            dropout=dropout,
            name="recurrence",
            **policy,
        )
        self.embedding = make_embedding(
            embedding,
            vocabulary_size,
            embedding_dim,
            tie_weights=tie_embeddings,
            **policy,
        )
        if self.embedding.tie_weights != tie_embeddings:
            raise ValueError(
                f"tie_embeddings={tie_embeddings}, but the embedding given "
                f"has tie_weights={self.embedding.tie_weights}."
            )
        self.embedding_dropout = make_dropout(dropout, **policy)
        self.output_dropout = make_dropout(dropout, **policy)
        # As many as the last states of the encoder.
        self.state_denses = [
            {
                name: keras.layers.Dense(
                    hidden_dim,
                    "tanh" if name == "hidden" else None,
                    name=f"{name}_{index}",
                    **policy,
                )
                for name in recurrence.state_names(cell)
            }
            for index in range(num_layers if state_dim else 0)
        ]
        self.build()

    def build(self, input_shape=None):
        if self.built:
            return
        least_weights.check_recurrent(self)
        if not self.embedding.built:
            self.embedding.build((None, None))
        self.recurrence.build(
            (None, None, self.embedding_dim), memory_dim=self.memory_dim
        )
        for dense in tree.flatten(self.state_denses):
            dense.build((None, self.state_dim))

    def call(
        self,
        token_ids,
        padding_mask=None,
        memory=None,
        memory_padding_mask=None,
        cache=None,
        start=0,
        training=None,
        reverse=False,
    ):
        if reverse:
            return self.embedding(token_ids, reverse=True)
        token_ids, padding_mask, memory, memory_padding_mask = unpack(
            token_ids,
            ("token_ids", None),
            ("padding_mask", padding_mask),
            ("memory", memory),
            ("memory_padding_mask", memory_padding_mask),
        )
        if not isinstance(memory, dict) or "state" not in memory:
            raise ValueError(
                "A RecurrentDecoder needs as memory what a RecurrentEncoder "
                f"or init_memory returned. Received: {memory!r}"
            )
        if "hidden" in memory:
            memory = self.init_memory(memory, memory_padding_mask)
            memory_padding_mask = None  # it is part of the memory now
        if padding_mask is None:
            padding_mask = implicit_mask(token_ids)
        padding_mask = as_mask("padding_mask", padding_mask)
        if padding_mask is not None:
            check_shape("padding_mask", padding_mask, tuple(token_ids.shape))
        x = self.embedding(token_ids, training=training)
        x = self.embedding_dropout(x, training=training)
        state = self.recurrence.init_state(ops.shape(x)[0])
        state = recurrence.first_state(
            {**state, **memory["state"]}, cache, start
        )
        hidden, state = self.recurrence(
            x,
            state,
            memory=memory.get("attention"),
            memory_padding_mask=memory_padding_mask,
            padding_mask=padding_mask,
            start=start,
            training=training,
        )
        hidden = self.output_dropout(hidden, training=training)
        return hidden if cache is None else (hidden, state)

    @property
    def output_dim(self):
        """Width of what logits are made of."""
        return self.embedding_dim

    def init_cache(self, batch_size, max_length):
        """Makes an empty cache; its size does not depend on the length.

        Args:
            batch_size: integer.
            max_length: integer, positions that will be fed in all.

        Returns:
            A dictionary of states, whose leaves are `(batch, ...)`.
        """
        return self.recurrence.init_state(batch_size)

    def init_memory(self, encoded, padding_mask=None):
        """Projects a source once for all steps.

        Args:
            encoded: what a `RecurrentEncoder` returned.
            padding_mask: boolean `(batch, memory_length)`.

        Returns:
            `{"state"}`, the state to start from, and with attention
            `{"attention"}`, what it needs; leaves are `(batch, ...)`.
        """
        state = encoded["state"]
        if self.state_denses:
            state = {
                f"layer_{index}": {
                    name: dense(state[f"layer_{index}"][name])
                    for name, dense in denses.items()
                }
                for index, denses in enumerate(self.state_denses)
            }
        attention = self.recurrence.init_memory(encoded["hidden"], padding_mask)
        if attention is None:
            return {"state": state}
        return {"state": state, "attention": attention}

    def check_encoder(self, encoder):
        """Raises ValueError for an encoder that this decoder cannot read."""
        check_pair(encoder, self)

    def get_config(self):
        config = self.recurrence.get_config()
        names = ("attention", "attention_order", "input_feeding")
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "num_layers": self.num_layers,
            "hidden_dim": self.hidden_dim,
            "embedding_dim": self.embedding_dim,
            "memory_dim": self.memory_dim,
            "state_dim": self.state_dim,
            "cell": self.cell,
            **{name: config[name] for name in names},
            "dropout": self.dropout,
            "embedding": embeddings.describe_shared(self.embedding),
            "tie_embeddings": self.tie_embeddings,
        }

"""The Transformer decoder."""

import keras
from keras import ops

from keras_attention.attention.core.checks import check_cached_position
from keras_attention.attention.core.kv_cache import KeepsCache
from keras_attention.masks import implicit_mask
from keras_attention.models import segments as segment_states
from keras_attention.models.call_inputs import (
    embed,
    rotated_positions,
    unpack,
)
from keras_attention.models.logits import Logits
from keras_attention.models.transformer import Transformer
from keras_attention.models.transformer_checks import check_source
from keras_attention.registry import PACKAGE
from keras_attention.tensors import known_integer


@keras.saving.register_keras_serializable(package=PACKAGE)
class TransformerDecoder(KeepsCache, Logits, Transformer):
    """Predicts each token from those before it, and from a source if asked.

    Args:
        vocabulary_size, num_layers, hidden_dim, num_heads: integers; see
            `TransformerEncoder`, also for `intermediate_dim`, `attention`,
            `position`, `feed_forward`, `normalization`, `residual`,
            `block`, `dropout`, `embedding`, `embedding_normalization` and
            `final_normalization`.
        cross_attention: attention over a memory, for example
            `"multi_head"`; one or a list that is cycled; None for none.
        tie_embeddings: whether `logits` uses the embedding matrix.
        memory_dim: integer, width of the memory; `hidden_dim` by default.
        segment_memory: integer, how many positions of earlier segments a
            text that is fed in segments may look back to (Transformer-XL).
            Needs a relative encoding, or none.

    Call arguments:
        token_ids: integers `(batch, length)`, or a dictionary of this and
            other tensors by name, up to `attention_mask`.
        padding_mask: boolean `(batch, length)`; by default no token is
            hidden, whatever its id: some models start with the padding id.
        memory: `(batch, memory_length, memory_dim)`, or what `init_memory`
            returned.
        memory_padding_mask: boolean `(batch, memory_length)`.
        segment_ids, position_ids: see `TransformerEncoder`. Beside a cache
            these are the positions of this call's tokens; `start` says where
            in the cache they go.
        attention_mask: boolean `(batch, length, length)`, which keys each
            query may see, in place of the causal order (a language model
            that reads a prefix in both directions). Not with a cache.
        cache: dictionary from `init_cache`.
        start: integer, the position of the first token.
        segments: dictionary from `init_segments`, or what the call with the
            segment before returned; in place of a cache.
        training: whether to apply dropout.
        reverse: whether hidden states are given in place of ids, to be
            mapped to logits; see `logits`.

    Returns:
        Hidden states `(batch, length, hidden_dim)`; with a cache,
        `(hidden, cache)`; with segments, `(hidden, segments)`; with
        `reverse=True` logits `(..., vocabulary_size)`.

    To train it to predict tokens, compile `CausalLM(decoder)`, whose call
    gives logits.

    With `segment_memory` every block attends to what it was given for the
    last positions before this segment, which are constants to the gradient.
    So two layers see further back than one, and a long text is read in
    segments of a fixed size:

    ```python
    decoder = TransformerDecoder(
        8000, 4, 256, 4, position="transformer_xl", segment_memory=128
    )
    segments = decoder.init_segments(batch_size)
    for token_ids in parts_of_the_text:  # each (batch, length), in order
        hidden, segments = decoder(token_ids, segments=segments)
    ```

    Unlike a cache it forgets, so how a text is cut changes the result. A call
    attends anew from what is kept as well, whose rows it then leaves out: a
    cache is quicker where nothing is to be forgotten or trained.

    Raises:
        ValueError: if sizes do not fit or a part is unknown, for a cache or
            a start beside segments, or if it is compiled itself with a
            cross-entropy of tokens.

    Example:

    ```python
    import keras
    from keras_attention import TransformerDecoder

    decoder = TransformerDecoder(
        vocabulary_size=100, num_layers=2, hidden_dim=32, num_heads=4,
        position="rotary", feed_forward="swiglu", normalization="rms_norm",
    )
    token_ids = keras.random.randint((2, 50), 1, 100)
    hidden = decoder(token_ids)
    decoder.logits(hidden).shape  # (2, 50, 100)

    # One step with a cache.
    cache = decoder.init_cache(batch_size=2, max_length=50)
    hidden, cache = decoder(token_ids[:, :1], cache=cache, start=0)
    ```

    Reference:
        Vaswani et al. 2017, Attention Is All You Need,
        https://arxiv.org/abs/1706.03762;
        Dai et al. 2019, Transformer-XL (segment_memory),
        https://arxiv.org/abs/1901.02860
    """

    def __init__(
        self,
        vocabulary_size,
        num_layers,
        hidden_dim,
        num_heads,
        *,
        segment_memory=0,
        **kwargs,
    ):
        super().__init__(
            vocabulary_size, num_layers, hidden_dim, num_heads, **kwargs
        )
        self.segment_memory = segment_memory
        self.segment_memory = segment_states.check_segment_memory(self)
        for block in self.blocks:
            if not block.attention.supports_causal_mask:
                raise ValueError(
                    f"{type(block.attention).__name__} is not causal and "
                    "cannot serve as attention of a TransformerDecoder."
                )
        self.build()

    def call(
        self,
        token_ids,
        padding_mask=None,
        memory=None,
        memory_padding_mask=None,
        segment_ids=None,
        position_ids=None,
        attention_mask=None,
        cache=None,
        start=0,
        segments=None,
        training=None,
        reverse=False,
    ):
        if reverse:
            return self.embedding(token_ids, reverse=True)
        token_ids, padding_mask, memory, memory_mask, kinds, places, seen = (
            unpack(
                token_ids,
                ("token_ids", None),
                ("padding_mask", padding_mask),
                ("memory", memory),
                ("memory_padding_mask", memory_padding_mask),
                ("segment_ids", segment_ids),
                ("position_ids", position_ids),
                ("attention_mask", attention_mask),
            )
        )
        if padding_mask is None:
            padding_mask = implicit_mask(token_ids)
        is_projected = isinstance(memory, dict)
        x = embed(
            self,
            token_ids,
            start=start,
            padding_mask=padding_mask,
            segment_ids=kinds,
            position_ids=places,
            training=training,
        )
        feed, old, new = _feed, cache, {}
        if segments is not None:
            segment_states.check_call(self, segments, x, cache, start, places)
            padding_mask = segment_states.mask_of(padding_mask, x)
            feed, old = segment_states.feed, segments
            new["mask"] = segment_states.keep(old["mask"], padding_mask)
        positions = rotated_positions(self, places, x)
        length = ops.shape(x)[1]
        with self.position.positions_of_stack(start, length, positions):
            for block in self.blocks:
                x, new[block.name] = feed(
                    block,
                    x,
                    old,
                    padding_mask=padding_mask,
                    memory=memory[block.name] if is_projected else memory,
                    memory_padding_mask=memory_mask,
                    attention_mask=seen,
                    start=start,
                    training=training,
                )
        x = x if self.final_norm is None else self.final_norm(x)
        return x if old is None else (x, new)

    def init_segments(self, batch_size):
        """Makes the state of a text of which nothing was read yet.

        Args:
            batch_size: integer.

        Returns:
            A dictionary of tensors, each `(batch, segment_memory, ...)`, for
            the call's `segments`.

        Raises:
            ValueError: if the decoder was constructed without segment_memory.
        """
        return segment_states.empty(self, batch_size)

    def init_cache(self, batch_size, max_length):
        """Makes empty caches for at most `max_length` positions.

        Args:
            batch_size: integer.
            max_length: integer, positions that will be fed in all.

        Returns:
            A dictionary from block name to the cache of its attention; every
            leaf is `(batch, ...)`.

        Raises:
            ValueError: if an attention layer or the positional encoding
                allows no cache, or the encoding ends before `max_length`.
        """
        check_cached_position(self, self.position, max_length)
        limit, known = self.position.max_length, known_integer(max_length)
        if limit is not None and known is not None and known > limit:
            raise ValueError(
                f"{type(self.position).__name__} has positions up to "
                f"max_length={limit}. Received: max_length={known}"
            )
        return {
            block.name: block.init_cache(batch_size, max_length)
            for block in self.blocks
        }

    def init_memory(self, memory, padding_mask=None):
        """Projects a source once for the cross-attention of all blocks.

        Args:
            memory: `(batch, memory_length, memory_dim)`.
            padding_mask: boolean `(batch, memory_length)`.

        Returns:
            A dictionary from block name to what its attention needs.
        """
        return {
            block.name: block.init_memory(memory, padding_mask)
            for block in self.blocks
        }

    def check_encoder(self, encoder):
        """Raises ValueError for an encoder that this decoder cannot read."""
        check_source(self, encoder)

    def get_config(self):
        return {
            **super().get_config(),
            "tie_embeddings": self.tie_embeddings,
            "memory_dim": self.memory_dim,
            "segment_memory": self.segment_memory,
        }


def _feed(block, x, cache, **arguments):
    """Calls a block without what was before, or with a cache of it.

    Args:
        block: a `TransformerBlock`.
        x: `(batch, length, hidden_dim)`.
        cache: the decoder's cache, or None.
        **arguments: the block's other call arguments.

    Returns:
        `(output, cache of the block)`; None in place of the latter without a
        cache. `segments.feed` does the same with segments.
    """
    if cache is None:
        causal = arguments["attention_mask"] is None
        return block(x, use_causal_mask=causal, **arguments), None
    return block(x, cache=cache[block.name], **arguments)

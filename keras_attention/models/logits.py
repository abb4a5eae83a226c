"""Logits of a decoder, for a step and in functional models too."""

import inspect

import keras

from keras_attention.models.hidden_states import HiddenStates


class Logits(HiddenStates):
    """Mixin of decoders whose embedding maps hidden states to logits.

    The call of the decoder takes `reverse=True` for that.
    """

    instead = (
        "Compile CausalLM(decoder), or for a decoder with a source "
        "EncoderDecoder(encoder, decoder): these give logits."
    )

    def logits(self, hidden):
        """Maps hidden states to the vocabulary.

        Args:
            hidden: `(..., output_dim)`, what the decoder returned.

        Returns:
            `(..., vocabulary_size)`.
        """
        # A functional model knows its layers by their calls. The embedding's
        # own call would make a layer of it beside the decoder that holds it,
        # and two of one when the model is loaded or cloned.
        # (A call of the user's own may know nothing of it.)
        takes_reverse = "reverse" in inspect.signature(self.call).parameters
        if isinstance(hidden, keras.KerasTensor) and takes_reverse:
            return self(hidden, reverse=True)
        return self.embedding(hidden, reverse=True)

    def step(self, token_ids, cache, memory=None, start=0, padding_mask=None):
        """Feeds tokens and predicts the one that follows the last.

        Args:
            token_ids: integers `(batch, length)`.
            cache: dictionary from `init_cache`.
            memory: dictionary from `init_memory`, or None without a source.
            start: integer, the position of the first token.
            padding_mask: boolean `(batch, length)`, False for tokens that are
                never attended to, and leave the state of a recurrent decoder
                as it is; by default none is.

        Returns:
            `(logits, cache)` with logits `(batch, vocabulary_size)`.
        """
        hidden, cache = self(
            token_ids,
            padding_mask=padding_mask,
            memory=memory,
            cache=cache,
            start=start,
        )
        return self.logits(hidden[:, -1]), cache

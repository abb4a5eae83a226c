"""An encoder that says where an answer begins and ends."""

import keras

from keras_attention.models.sequence_tagger import SequenceTagger
from keras_attention.registry import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class SpanPredictor(SequenceTagger):
    """Gives every token a logit that an answer begins there, and one of ends.

    It is a `SequenceTagger` of two numbers for each token, which are compared
    along the text: the softmax of each over all tokens is the probability of
    an answer's first, or last, token.

    Args:
        encoder: a `TransformerEncoder`, or its configuration.
        dropout: float, for the vectors of the encoder.

    Call arguments:
        token_ids: integers `(batch, length)`, question and context, or a
            dictionary with `token_ids` and any of the tensors below, by name.
        padding_mask, segment_ids, position_ids, attention_mask, global_mask,
            training: see `TransformerEncoder`.

    Returns:
        Logits `(batch, length, 2)`, of the first and of the last token, in
        float32 or float64.

    Raises:
        ValueError: if `encoder` is none.

    Example:

    ```python
    import keras
    from keras_attention import SpanPredictor, TransformerEncoder

    model = SpanPredictor(TransformerEncoder(100, 2, 32, 4))
    model(keras.random.randint((2, 50), 1, 100)).shape  # (2, 50, 2)
    ```

    Reference:
        Devlin et al. 2019, BERT, https://arxiv.org/abs/1810.04805
    """

    pipeline_tag = "question-answering"

    def __init__(self, encoder, *, dropout=0.0, **kwargs):
        super().__init__(encoder, 2, dropout=dropout, **kwargs)

    def get_config(self):
        config = super().get_config()
        return {n: x for n, x in config.items() if n not in _FIXED}


_FIXED = {"num_classes", "labels"}

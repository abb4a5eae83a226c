"""What shows how a `TextToText` came to its outputs."""

import numpy as np

from keras_attention.tasks.core import text_batches


def attention_inputs(task, texts):
    """Generates outputs and feeds them to the model beside the texts.

    Args:
        task: a `TextToText`.
        texts: a string or a list of strings.

    Returns:
        `(model, inputs, tokens)`: see `TextToText.attention_inputs`.

    Raises:
        ValueError: if there is no text, or something else.
    """
    texts = [texts] if isinstance(texts, str) else list(texts)
    if not texts:
        raise ValueError("texts must hold a string at least. Received: []")
    outputs = task.generate(texts)[0]
    source, target = task.source_tokenizer, task.target_tokenizer
    rows = text_batches.encode_texts(
        source, texts, task.settings["max_source_length"]
    )
    lengths = [_length(row, target) for row in outputs]
    fed = [
        [int(number) for number in row[:length]]
        for row, length in zip(outputs, lengths, strict=True)
    ]
    predicted = [
        [int(number) for number in row[1 : length + 1]]
        for row, length in zip(outputs, lengths, strict=True)
    ]
    inputs = {
        "source_ids": text_batches.pad(rows, task.source_padding_id),
        "target_ids": text_batches.pad(fed, task.limits()["padding_id"]),
    }
    tokens = {
        "source_ids": source.pieces(rows),
        "target_ids": target.pieces(fed),
        "outputs": target.pieces(predicted),
    }
    return task.model, inputs, tokens


def _length(row, tokenizer):
    """How many tokens a generated row predicts: up to its end."""
    ends = np.flatnonzero(row[1:] == tokenizer.end_id)
    return int(ends[0]) + 1 if len(ends) else len(row) - 1

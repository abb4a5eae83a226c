"""What shows how a task that writes came to its outputs."""

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
    source = task.source_tokenizer
    rows = text_batches.encode_texts(
        source, texts, task.settings["max_source_length"]
    )
    padded = text_batches.pad(rows, task.source_padding_id)
    return _beside_outputs(
        task,
        task.generate(texts)[0],
        {"source_ids": padded},
        {"source_ids": source.pieces(rows)},
    )


def attention_inputs_of(task, sources, tokens):
    """Generates outputs and feeds them to the model beside what is no text.

    Args:
        task: an `InputToText`.
        sources: what its `inputs.read` gives.
        tokens: list of strings, what the places of the source are, or None.

    Returns:
        `(model, inputs, tokens)`: see `InputToText.attention_inputs`.

    Raises:
        ValueError: if there is no source.
    """
    if not len(sources):
        raise ValueError("There must be an input at least. Received: []")
    found = {}
    batches = list(task.source_batches(sources))
    longest = max((x["source_ids"].shape[1] for _, x in batches), default=0)
    for chosen, inputs in batches:
        for name, rows in inputs.items():
            # Sounds of another batch may be longer.
            shape = len(sources), longest, *rows.shape[2:]
            whole = found.setdefault(name, np.zeros(shape, rows.dtype))
            whole[chosen, : rows.shape[1]] = rows[: len(chosen)]
    if not found:
        raise ValueError("No input has anything in it to attend to.")
    tokens = {} if tokens is None else {"source_ids": tokens}
    return _beside_outputs(task, task.search(sources)[0], found, tokens)


def _beside_outputs(task, outputs, inputs, tokens):
    """Adds generated ids to a source, as target and as what it predicts."""
    target = task.target_tokenizer
    lengths = [_length(row, target) for row in outputs]
    fed = [
        [int(number) for number in row[:length]]
        for row, length in zip(outputs, lengths, strict=True)
    ]
    predicted = [
        [int(number) for number in row[1 : length + 1]]
        for row, length in zip(outputs, lengths, strict=True)
    ]
    padded = text_batches.pad(fed, task.limits()["padding_id"])
    tokens = {
        **tokens,
        "target_ids": target.pieces(fed),
        "outputs": target.pieces(predicted),
    }
    return task.model, {**inputs, "target_ids": padded}, tokens


def _length(row, tokenizer):
    """How many tokens a generated row predicts: up to its end."""
    ends = np.flatnonzero(row[1:] == tokenizer.end_id)
    return int(ends[0]) + 1 if len(ends) else len(row) - 1

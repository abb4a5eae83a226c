"""Samples of what a model gives, and what it looked at for them."""

from pathlib import Path

from keras_attention import attention_maps, attention_page, plot_attention
from keras_attention.printing import visible

_SHOWN_TOKENS = 200


def show_attention(task, sources, run):
    """Draws what the model looked at for samples, into the run folder.

    `attention.html` shows all of it, `attention.png` the last layer that reads
    the source for the first sample.

    Args:
        task: what offers `attention_inputs`.
        sources: list of inputs; none draws nothing.
        run: path of the run folder.
    """
    if not len(sources):
        return
    sources = [_shortened(source, task) for source in sources]
    try:
        maps = attention_maps(task, sources)
    except ValueError as error:
        print(f"No attention is shown: {visible(error, lines=True)}")
        return
    page, picture = Path(run) / "attention.html", Path(run) / "attention.png"
    attention_page(maps, page)
    layers = maps.across or list(maps)
    plot_attention(maps, picture, layers=layers[-1])
    print(f"\nWhat it looked at: {page} and {picture}")


def _shortened(source, task):
    """Cuts a long text: a page holds a number for each pair of tokens."""
    if not isinstance(source, str):
        return source
    tokenizer = task.tokenizers()[0]
    count = whole = len(tokenizer.encode([source])[0])
    while count > _SHOWN_TOKENS:
        source = source[: len(source) * _SHOWN_TOKENS // count]
        count = len(tokenizer.encode([source])[0])
    if count < whole:
        print(
            f"note: of a text of {whole} tokens, the attention of the first "
            f"{count} is shown"
        )
    return source

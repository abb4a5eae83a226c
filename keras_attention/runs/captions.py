"""Models that write about images or speech: options, data, tasks, scores."""

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np

from keras_attention import (
    AudioEmbedding,
    EncoderDecoder,
    PatchEmbedding,
    TransformerDecoder,
    TransformerEncoder,
)
from keras_attention.data import SentencePieceTokenizer, load_columns
from keras_attention.data.audio import log_mel
from keras_attention.data.images.loading import read_all
from keras_attention.data.source_batches import SourceBatches
from keras_attention.data.sources.named import split_name
from keras_attention.data.sources.number_demos import (
    load_digit_rows,
    load_spoken_digits,
)
from keras_attention.runs.checks import UsageError, check_numbers
from keras_attention.runs.image_size import (
    check_image_size,
    image_size,
    read_images,
)
from keras_attention.runs.options import RunOptions, check_run_options
from keras_attention.runs.text_models import transformer_arguments
from keras_attention.runs.vocabulary import learn_vocabulary
from keras_attention.tasks import ImageToText, SpeechToText

TOKENIZER = "tokenizer.model"
DEMOS = {"demo": load_digit_rows, "demo-speech": load_spoken_digits}
_MOST_FRAMES = 3_000  # 30 seconds


@dataclasses.dataclass
class CaptionOptions(RunOptions):
    """What training a model that writes about a source can be told."""

    dataset: str = "demo"
    """demo (digits in a row), demo-speech (spoken digits), or a table, a file
    or SPLIT.csv in files:FOLDER, whose columns `file` and `text` name images
    or WAV files beside it and what is to be written."""
    vocabulary_size: int = 400
    """SentencePiece pieces; of whole words the most."""
    subwords: Literal["unigram", "bpe", "word"] = "word"
    """Pieces of words by either method, or whole words between spaces."""
    num_layers: int = 2
    """Blocks of the encoder, and of the decoder."""
    hidden_dim: int = 128
    num_heads: int = 4
    attention: str = "multi_head"
    attention_dropout: float = 0.0
    """Of attention weights."""
    intermediate_dim: int = 256
    position: str = "sinusoidal"
    feed_forward: str = "gelu"
    residual: str = "pre_norm"
    feed_forward_dropout: float = 0.0
    """Inside the feed-forward parts."""
    image_size: tuple[int, int] = (0, 0)
    """Height and width that images are resized to; 0 0: as they are, which has
    to be one size."""
    patch_size: tuple[int, int] = (8, 4)
    """Height and width of the patches of images, in pixels."""
    patch_stride: tuple[int, int] = (8, 2)
    """Pixels from one patch to the next, downwards and to the right."""
    dropout: float = 0.1
    """Of embeddings and of what each part adds."""
    batch_size: int = 128
    """Images or sounds of a batch."""
    num_beams: int = 4


def check_options(config):
    """Refuses options out of their ranges before anything is written.

    Args:
        config: the options of training.

    Raises:
        UsageError: for the first such option.
    """
    check_run_options(config, tuple(DEMOS))
    check_image_size(config)
    if config.dataset in DEMOS and any(config.image_size):
        raise UsageError("--image-size is not for the demos.")
    check_numbers(config, "vocabulary_size", "num_layers", "hidden_dim")
    check_numbers(config, "num_heads", "intermediate_dim", "num_beams")
    check_numbers(config, "batch_size")
    dropouts = "dropout", "attention_dropout", "feed_forward_dropout"
    check_numbers(config, *dropouts, at_least=0, below=1)


def load_sources(config, dataset, split):
    """Loads images or sounds, and texts.

    Args:
        config: the options of training.
        dataset, split: strings.

    Returns:
        `(sources, texts)`: a uint8 array of images, or a list of sounds as
        `SpeechToText` takes them, and a list of strings.
    """
    if dataset in DEMOS:
        return DEMOS[dataset](split)
    columns = {"file": "file", "text": "text"}
    names, texts = load_columns(dataset, split, columns)
    kind, name = split_name(dataset)
    folder = Path(name).expanduser()
    if kind == "file":
        folder = folder.parent
    paths = [folder / name for name in names]
    if all(path.suffix.lower() == ".wav" for path in paths):
        return paths, texts
    return read_all(paths, image_size(config)), texts


def read_given(config, task, names):
    """Makes what the task takes of the names of files."""
    if isinstance(task, ImageToText):
        return read_images(config, names, task.settings["image_shape"])
    return names


def make_tokenizer(config, texts):
    """Loads the tokenizer of the run, or learns it from the texts."""
    path = Path(config.run) / TOKENIZER
    if path.exists():
        return SentencePieceTokenizer.load(path)
    return learn_vocabulary(config, texts)


def make_task(config, tokenizer, examples):
    """Builds the model and the task around it.

    Args:
        config: the options of training.
        tokenizer: that of the texts.
        examples: `(sources, texts)` of training.

    Returns:
        An `ImageToText` or a `SpeechToText`.
    """
    sources, texts = examples
    settings = {
        # Room for outputs half as long again as the longest that was seen.
        "max_length": max(map(len, tokenizer.encode(texts))) * 3 // 2 + 2,
        "num_beams": config.num_beams,
    }
    if not isinstance(sources, np.ndarray):
        embedding = AudioEmbedding(config.hidden_dim)
        length = embedding.length(_MOST_FRAMES)
        model = _model(config, tokenizer, embedding, length, settings)
        return SpeechToText(model, tokenizer, **settings)
    shape = sources.shape[1:]
    embedding = PatchEmbedding(
        config.patch_size,
        config.hidden_dim,
        channels=shape[-1],
        stride=config.patch_stride,
    )
    grid = embedding.grid(*shape[:2])
    length = grid[0] * grid[1]
    model = _model(config, tokenizer, embedding, length, settings, grid)
    return ImageToText(
        model, tokenizer, image_shape=shape, scale=1 / 255, **settings
    )


def _model(config, tokenizer, embedding, length, settings, grid=None):
    encoder = TransformerEncoder(
        None,
        embedding=embedding,
        **transformer_arguments(config, length, grid),
    )
    decoder = TransformerDecoder(
        tokenizer.vocabulary_size,
        cross_attention="multi_head",
        **transformer_arguments(config, settings["max_length"]),
    )
    return EncoderDecoder(encoder, decoder)


def make_batches(config, task, examples):
    """Batches what the model reads with the ids of the texts.

    Args:
        config: the options of training.
        task: from `make_task`.
        examples: dictionary from splits to `(sources, texts)`; those of
            `"train"` are shuffled.

    Returns:
        Dictionary from splits to `SourceBatches`.
    """
    tokenizer = task.target_tokenizer
    return {
        split: SourceBatches(
            _prepared(task, sources),
            tokenizer.encode(texts),
            start_id=tokenizer.start_id,
            end_id=tokenizer.end_id,
            padding_id=tokenizer.padding_id,
            batch_size=config.batch_size,
            shuffle=split == "train",
            seed=config.seed,
        )
        for split, (sources, texts) in examples.items()
    }


def _prepared(task, sources):
    sources, _ = task.inputs.read(sources)
    if isinstance(task, ImageToText):
        return task.inputs.scaled(sources)
    return [log_mel(sound) for sound in sources]


def exact_share(outputs, texts):
    """Gives the share of outputs that are the text itself."""
    pairs = zip(outputs, texts, strict=True)
    return sum(output == text for output, text in pairs) / len(texts)

"""Models that read text and write text: options, data, tasks, samples."""

import dataclasses
import textwrap
from pathlib import Path
from typing import Literal

import keras

from keras_attention import training
from keras_attention.data import SentencePieceTokenizer, TokenBatches
from keras_attention.printing import visible
from keras_attention.runs.checks import check_numbers, check_own_options
from keras_attention.runs.compiling import compile_model
from keras_attention.runs.folder import finished_task
from keras_attention.runs.options import RunOptions, check_run_options
from keras_attention.runs.samples import show_attention
from keras_attention.runs.text_models import OWN, make_model, max_lengths
from keras_attention.runs.vocabulary import learn_vocabulary
from keras_attention.tasks import TextToText

TOKENIZERS = ("source_tokenizer.model", "target_tokenizer.model")
# Settings of the task that a finished run may be given anew: the flag, and
# the least value that is one. Lower ones mean: as in training.
GIVEN_ANEW = {
    "batch_size": ("batch_size", 1),
    "max_length": ("max_length", 2),
    "num_beams": ("num_beams", 1),
    "length_penalty": ("length_penalty", 0),
    "min_length": ("min_length", 0),
    "no_repeat_ngram_size": ("no_repeat_ngram", 0),
}
FINITE = {"above": float("-inf"), "below": float("inf")}


@dataclasses.dataclass
class TextToTextOptions(RunOptions):
    """What training a model from text to text can be told.

    A recipe's own options inherit these, with other defaults.
    """

    vocabulary_size: int = 4000
    """SentencePiece pieces, of both sides together if joint."""
    joint_vocabulary: bool = True
    """Whether both sides share one vocabulary and one embedding."""
    subwords: Literal["unigram", "bpe"] = "bpe"
    max_length: int = 128
    """Longest target in tokens; longer ones are cut and counted."""
    model: Literal["transformer", "recurrent"] = "transformer"
    num_layers: int = 2
    """Blocks or recurrent layers of the encoder, and of the decoder."""
    hidden_dim: int = 128
    num_heads: int = 4
    attention: str = "multi_head"
    """Of a Transformer within each side; of a recurrent model between both,
    where none is for none."""
    attention_dropout: float = 0.0
    """Of attention weights."""
    cell: Literal["gru", "lstm"] = "gru"
    """Of a recurrent model, as are the next two."""
    attention_order: Literal["before", "after"] = "after"
    """Whether attention comes before the cells or after them."""
    input_feeding: bool = False
    """Whether the cells see what attention found in the step before."""
    intermediate_dim: int = 512
    """Of a Transformer, as are the next four."""
    position: str = "sinusoidal"
    feed_forward: str = "relu"
    residual: str = "pre_norm"
    feed_forward_dropout: float = 0.0
    """Inside the feed-forward parts."""
    dropout: float = 0.1
    """Of embeddings, between layers, and of what each part adds."""
    tokens: int = 4096
    """Tokens of a batch, on the longer side, padding included."""
    label_smoothing: float = 0.1
    num_beams: int = 4
    length_penalty: float = 1.0
    show: int = 5
    """Sample outputs at the end, and what attention looked at."""


def check_options(config):
    """Refuses options out of their ranges before anything is written.

    Args:
        config: the options of training.

    Raises:
        UsageError: for the first such option.
    """
    check_own_options(config, "model", OWN)
    check_run_options(config)
    check_numbers(config, "vocabulary_size", "num_layers", "hidden_dim")
    check_numbers(config, "num_heads", "intermediate_dim", "tokens")
    check_numbers(config, "num_beams")
    check_numbers(config, "max_length", at_least=2)
    check_numbers(config, "show", at_least=0)
    dropouts = "dropout", "attention_dropout", "feed_forward_dropout"
    check_numbers(config, *dropouts, at_least=0, below=1)
    check_numbers(config, "length_penalty", **FINITE)


def make_tokenizers(config, pairs):
    """Loads the tokenizers of the run, or learns them from the text.

    Args:
        config: the options of training.
        pairs: dictionary with `"train"`: `(sources, targets)`, two lists of
            strings.

    Returns:
        List of the tokenizers of source and target, which may be one.
    """
    paths = [Path(config.run) / name for name in TOKENIZERS]
    if all(path.exists() for path in paths):
        return [SentencePieceTokenizer.load(path) for path in paths]

    sources, targets = pairs["train"]
    if config.joint_vocabulary:
        return [learn_vocabulary(config, sources + targets)] * 2
    return [learn_vocabulary(config, texts) for texts in (sources, targets)]


def save_tokenizers(tokenizers, folder):
    """Writes both tokenizers to where `make_tokenizers` finds them."""
    for tokenizer, name in zip(tokenizers, TOKENIZERS, strict=True):
        tokenizer.save(folder / name)


def make_batches(config, tokenizers, pairs):
    """Encodes pairs and groups them by length.

    Args:
        config: the options of training.
        tokenizers: those of source and target.
        pairs: dictionary from splits to `(sources, targets)`, two lists of
            strings; those of `"train"` are shuffled.

    Returns:
        Dictionary from splits to `TokenBatches`.
    """
    source_tokenizer, target_tokenizer = tokenizers
    return {
        split: TokenBatches(
            source_tokenizer.encode(sources),
            target_tokenizer.encode(targets),
            start_id=target_tokenizer.start_id,
            end_id=target_tokenizer.end_id,
            token_budget=config.tokens,
            max_length=config.max_length,
            max_source_length=max_lengths(config)[0],
            shuffle=split == "train",
            seed=config.seed,
        )
        for split, (sources, targets) in pairs.items()
    }


def make_task(config, tokenizers, batches, copy=False, **settings):
    """Builds the model and the task around it.

    Whether the model can generate is found out at once, not after an epoch.

    Args:
        config: the options of training.
        tokenizers: those of source and target.
        batches: the `TokenBatches` of training.
        copy: whether the model copies tokens of its source.
        **settings: further settings of the task; those that are 0 are left
            out.
    """
    settings = {name: value for name, value in settings.items() if value}
    sizes = (tokenizer.vocabulary_size for tokenizer in tokenizers)
    # Room for outputs half as long again as the longest that was seen.
    longest = max(target_length for _, _, target_length in batches.shapes)
    model = make_model(config, *sizes, copy=copy)
    model.init_cache(1, 2)  # refused by flavours that cannot generate
    return TextToText(
        model,
        *tokenizers,
        max_source_length=max_lengths(config)[0],
        max_length=max(
            min(config.max_length, longest * 3 // 2) + 1,
            settings.get("min_length", 0),
        ),
        num_beams=config.num_beams,
        length_penalty=config.length_penalty,
        **settings,
    )


def compile_for_tokens(config, task, batches):
    """Compiles a model that is trained to foretell tokens.

    Args:
        config: the options of training.
        task: the `TextToText`.
        batches: dictionary with `"train"`, the `TokenBatches` of training.
    """
    metrics = [training.Perplexity(), training.TokenCount()]
    compile_model(config, task.model, batches["train"], metrics)


def validation_scores(task, pairs, count, score):
    """Makes what scores an epoch by outputs for some of the validation.

    Args:
        task: the `TextToText` in training.
        pairs: dictionary with `"validation"`, two lists of strings.
        count: integer, how many; with 0 there is no such score.
        score: function from `(outputs, targets)` to a dictionary of numbers.

    Returns:
        List of callbacks.
    """
    if not count:
        return []
    return [ValidationScore(task, *first(count, pairs["validation"]), score)]


class ValidationScore(keras.callbacks.Callback):
    """Adds scores of greedy outputs to the logs of an epoch.

    Args:
        task: the `TextToText` in training.
        sources, targets: lists of strings.
        score: function from `(outputs, targets)` to a dictionary of numbers.
    """

    def __init__(self, task, sources, targets, score):
        super().__init__()
        self.task = type(task)(
            task.model,
            task.source_tokenizer,
            task.target_tokenizer,
            **{**task.settings, "num_beams": 1},
        )
        self.sources, self.targets, self.score = sources, targets, score
        score(targets, targets)  # what cannot be imported fails now

    def on_epoch_end(self, epoch, logs=None):
        # Asking for the model makes the JAX trainer hand over its weights.
        self.task.model = self.model
        logs.update(self.score(self.task(self.sources), self.targets))


def load_task(arguments, cls):
    """Loads the task of a finished run, with the settings given anew.

    Args:
        arguments: the option `run` and some of those in `GIVEN_ANEW`.
        cls: the dataclass of the run's configuration.

    Raises:
        UsageError: if there is no run, it is not finished, or a setting is
            out of its range.
    """
    if getattr(arguments, "max_length", 0):
        check_numbers(arguments, "max_length", at_least=2)
    if hasattr(arguments, "length_penalty"):
        check_numbers(arguments, "length_penalty", **FINITE)
    settings = {
        setting: getattr(arguments, flag)
        for setting, (flag, least) in GIVEN_ANEW.items()
        if getattr(arguments, flag, least - 1) >= least
    }
    return TextToText.load(finished_task(arguments.run, cls), **settings)


def first(count, pairs):
    """Cuts both lists of a pair to their first entries."""
    return [texts[:count] for texts in pairs]


def show_samples(task, sources, targets, run, longest=None):
    """Prints outputs beside their references, and draws their attention.

    Args:
        task: the `TextToText`.
        sources, targets: lists of strings.
        run: path of the run folder.
        longest: characters that are shown of a source; None for all.
    """
    outputs = task(sources)
    for source, target, output in zip(sources, targets, outputs, strict=True):
        if longest:
            source = textwrap.shorten(source, longest, placeholder=" ...")
        print(f"\nsource     {visible(source)}")
        print(f"reference  {visible(target)}")
        print(f"output     {visible(output)}")
    show_attention(task, sources, run)

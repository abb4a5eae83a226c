"""Trains, evaluates, runs and exports a model that translates.

python recipes/translation.py train
python recipes/translation.py evaluate
python recipes/translation.py translate "twenty-three"
python recipes/translation.py export
"""

import dataclasses
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import keras
import numpy as np
import sacrebleu
import tyro
from common import (
    UsageError,
    ValidationScore,
    check_numbers,
    compile_for_tokens,
    read_stdin,
    run_commands,
    show_attention,
    show_samples,
)
from runs import (
    TASK,
    check_run,
    choose_weights,
    finish_run,
    finished_task,
    plot_curves,
    read_config,
    start_run,
)
from translators import check_model_options, make_model

from keras_attention import training
from keras_attention.data import (
    SentencePieceTokenizer,
    TokenBatches,
    load_parallel,
)
from keras_attention.data.files import read_lines
from keras_attention.tasks import TextToText


@dataclasses.dataclass
class Train:
    """Trains a model, or goes on with a run that was stopped."""

    dataset: str = "demo"
    """demo, files:FOLDER or tfds:NAME."""
    source: str = "en"
    """Source language; with files, the suffix of their names."""
    target: str = "de"
    """Target language; with files, the suffix of their names."""
    train_split: str = "train"
    validation_split: str = "validation"
    run: str = "runs/translation"
    """Folder of the run."""
    vocabulary_size: int = 200
    """SentencePiece pieces, of both languages together if joint."""
    joint_vocabulary: bool = True
    """Whether both languages share one vocabulary and one embedding."""
    subwords: Literal["unigram", "bpe"] = "bpe"
    max_length: int = 128
    """Longest sentence in tokens; longer ones are cut and counted."""
    model: Literal["transformer", "recurrent"] = "transformer"
    num_layers: int = 2
    """Blocks or recurrent layers of the encoder, and of the decoder."""
    hidden_dim: int = 128
    num_heads: int = 4
    attention: str = "multi_head"
    """Of a Transformer within each side; of a recurrent model between both."""
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
    norm_first: bool = True
    feed_forward_dropout: float = 0.0
    """Inside the feed-forward parts."""
    dropout: float = 0.1
    """Of embeddings, between layers, and of what each part adds."""
    epochs: int = 8
    steps: int = 0
    """Optimizer steps after which to stop instead; 0 goes by epochs."""
    tokens: int = 4096
    """Tokens of a batch, on the longer side, padding included."""
    learning_rate: float = 0.002
    """Peak, reached after the warm-up; it then falls by 1/sqrt(step)."""
    warmup_steps: int = 400
    label_smoothing: float = 0.1
    clip_norm: float = 1.0
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    jit: bool = False
    """Compile with XLA (JAX always does)."""
    average: int = 4
    """Epochs whose weights are averaged at the end."""
    patience: int = 10
    """Epochs without a better validation perplexity before stopping."""
    bleu_sentences: int = 200
    """Validation sentences translated after each epoch; 0 for no BLEU."""
    checkpoint_steps: int = 500
    """Steps between checkpoints within an epoch."""
    num_beams: int = 4
    length_penalty: float = 1.0
    seed: int = 0
    show: int = 5
    """Sample translations at the end, and what attention looked at."""


@dataclasses.dataclass
class Evaluate:
    """Scores a finished run on a test set."""

    run: str = "runs/translation"
    split: str = "test"
    dataset: str = ""
    """Another data set than that of the run."""
    tokenized: bool = False
    """The text comes tokenised: BLEU without further tokenisation too."""
    num_beams: int = 0
    """Beams; 0 as in training."""
    length_penalty: float = -1.0
    """Exponent of the length; below 0 as in training."""
    batch_size: int = 64
    show: int = 0
    """Sample translations, and what attention looked at."""


@dataclasses.dataclass
class Translate:
    """Translates arguments, a file, or standard input line by line."""

    text: Annotated[list[str], tyro.conf.Positional] = dataclasses.field(
        default_factory=list
    )
    run: str = "runs/translation"
    file: str = ""
    """File of sentences, one a line."""
    num_beams: int = 0
    """Beams; 0 as in training."""


@dataclasses.dataclass
class Export:
    """Writes a finished run as a SavedModel: strings in, strings out."""

    run: str = "runs/translation"
    folder: str = ""
    """Where to; `saved_model` in the run folder by default."""


FREE = ("show", "epochs", "steps")  # may differ when a run goes on


def train(config):
    """Trains with `compile` and `fit`, and saves the task."""
    check_options(config)
    check_run(config, FREE)
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    pairs = {
        split: load_parallel(config.dataset, name, config.source, config.target)
        for split, name in (
            ("train", config.train_split),
            ("validation", config.validation_split),
        )
    }
    tokenizers = make_tokenizers(config, *pairs["train"])
    batches = {
        split: make_batches(config, tokenizers, *pairs[split], split == "train")
        for split in pairs
    }
    task = make_task(config, tokenizers, batches["train"])
    model = task.model
    compile_for_tokens(config, model)

    def write_tokenizers(folder):
        tokenizers[0].save(folder / "source_tokenizer.model")
        tokenizers[1].save(folder / "target_tokenizer.model")

    run = start_run(config, write_tokenizers)
    print(
        f"{len(pairs['train'][0]):,} pairs, {model.count_params():,} weights, "
        f"{len(batches['train'])} batches an epoch, padding "
        f"{batches['train'].padding_share:.1%}, run folder {run}"
    )
    scores = []
    if config.bleu_sentences:
        some = first(config.bleu_sentences, pairs["validation"])
        scores.append(ValidationScore(task, *some, bleu))
    history = training.resume_fit(
        model,
        batches["train"],
        training.Checkpoint(
            run / "checkpoint.npz", every_steps=config.checkpoint_steps
        ),
        epochs=None if config.steps else config.epochs,
        steps=config.steps or None,
        callbacks=[
            training.TokensPerSecond(),
            *scores,
            training.BestWeights(
                run / "best.weights.h5",
                monitor="val_perplexity",
                mode="min",
                patience=config.patience,
                verbose=1,
            ),
            training.LastWeights(run / "last", keep=config.average),
            training.CSVLog(run / "metrics.csv"),
            keras.callbacks.TensorBoard(run / "tensorboard"),
        ],
        validation_data=batches["validation"],
        verbose=1 if sys.stdout.isatty() else 2,
    )
    if not config.steps and len(history.epoch) < config.epochs:
        print(f"Stopped early after {len(history.epoch)} epochs.")
    metrics = choose_weights(model, batches["validation"], run)
    task.save(run / TASK)
    finish_run(config, metrics)
    plot_curves(run / "metrics.csv", run / "curves.png")
    samples = first(config.show, pairs["validation"])
    show_samples(task, *samples)
    show_attention(task, samples[0], run)
    print(f"The run lies in {run}. Try:")
    print(f"  python recipes/translation.py evaluate --run {run}")


def make_tokenizers(config, sources, targets):
    """Loads the tokenizers of the run, or learns them from the text."""
    names = ("source_tokenizer.model", "target_tokenizer.model")
    paths = [Path(config.run) / name for name in names]
    if all(path.exists() for path in paths):
        return [SentencePieceTokenizer.load(path) for path in paths]

    def learn(texts):
        return SentencePieceTokenizer.train(
            texts, config.vocabulary_size, model_type=config.subwords
        )

    if config.joint_vocabulary:
        return [learn(sources + targets)] * 2
    return [learn(sources), learn(targets)]


def make_batches(config, tokenizers, sources, targets, is_training):
    """Encodes pairs and groups them by length."""
    source_tokenizer, target_tokenizer = tokenizers
    return TokenBatches(
        source_tokenizer.encode(sources),
        target_tokenizer.encode(targets),
        start_id=target_tokenizer.start_id,
        end_id=target_tokenizer.end_id,
        token_budget=config.tokens,
        max_length=config.max_length,
        shuffle=is_training,
        seed=config.seed,
    )


def make_task(config, tokenizers, batches):
    """Builds the model and the task around it."""
    model = make_model(
        config, *(tokenizer.vocabulary_size for tokenizer in tokenizers)
    )
    # Room for outputs half as long again as the longest that was seen.
    longest = max(target_length for _, _, target_length in batches.shapes)
    return TextToText(
        model,
        *tokenizers,
        max_source_length=config.max_length,
        max_length=min(config.max_length, longest * 3 // 2) + 1,
        num_beams=config.num_beams,
        length_penalty=config.length_penalty,
    )


def first(count, pairs):
    """Cuts both lists of a pair to their first entries."""
    return [texts[:count] for texts in pairs]


def bleu_for(targets, **options):
    """BLEU; of as many words in a row as there are where four never are.

    Without any four words in a row it would be 0 by definition.
    """
    short = max(len(target.split()) for target in targets) < 4
    return sacrebleu.BLEU(effective_order=short, **options)


def bleu(translations, targets):
    """Corpus BLEU as an entry of the logs."""
    metric = bleu_for(targets, force=True)
    return {"val_bleu": metric.corpus_score(translations, [targets]).score}


def check_options(config):
    """Refuses options out of their ranges before anything is written."""
    check_model_options(config)
    check_numbers(
        config,
        *("vocabulary_size", "num_layers", "hidden_dim", "num_heads"),
        *("intermediate_dim", "epochs", "tokens", "warmup_steps", "average"),
        *("patience", "checkpoint_steps", "num_beams"),
    )
    check_numbers(config, "max_length", at_least=2)
    check_numbers(
        config,
        *("steps", "bleu_sentences", "seed", "show"),
        at_least=0,
    )
    check_numbers(config, "learning_rate", "clip_norm", above=0)
    check_numbers(
        config,
        *("dropout", "attention_dropout", "feed_forward_dropout"),
        "label_smoothing",
        at_least=0,
        below=1,
    )
    finite = {"above": float("-inf"), "below": float("inf")}
    check_numbers(config, "length_penalty", **finite)


def evaluate(arguments):
    """Prints BLEU with its signature, chrF, exact matches and the speed."""
    check_numbers(arguments, "batch_size")
    check_numbers(arguments, "num_beams", "show", at_least=0)
    config = read_config(arguments.run, Train)
    settings = {"batch_size": arguments.batch_size}
    if arguments.num_beams:
        settings["num_beams"] = arguments.num_beams
    if arguments.length_penalty >= 0:
        settings["length_penalty"] = arguments.length_penalty
    task = TextToText.load(finished_task(arguments.run), **settings)
    sources, targets = load_parallel(
        arguments.dataset or config.dataset,
        arguments.split,
        config.source,
        config.target,
    )
    task(sources[: arguments.batch_size])  # compiling is not translating
    began = time.perf_counter()
    translations = task(sources)
    seconds = time.perf_counter() - began
    metrics = {"BLEU": bleu_for(targets), "chrF": sacrebleu.CHRF()}
    if arguments.tokenized:
        tokenized = bleu_for(targets, tokenize="none", force=True)
        metrics = {"tokenized BLEU": tokenized, **metrics}
    for name, metric in metrics.items():
        score = metric.corpus_score(translations, [targets])
        print(f"{name} {score.score:.2f} ({metric.get_signature()})")
    exact = np.mean(np.array(translations) == np.array(targets))
    print(f"exact match {exact:.2%} of {len(targets)} sentences")
    print(f"{len(sources) / seconds:.1f} sentences per second")
    samples = first(arguments.show, (sources, targets))
    show_samples(task, *samples)
    show_attention(task, samples[0], arguments.run)


def translate(arguments):
    """Prints a translation for each sentence."""
    check_numbers(arguments, "num_beams", at_least=0)
    if arguments.text and arguments.file:
        raise UsageError("Give sentences or --file, not both.")
    settings = {}
    if arguments.num_beams:
        settings["num_beams"] = arguments.num_beams
    task = TextToText.load(finished_task(arguments.run), **settings)
    if arguments.text or arguments.file:
        lines = arguments.text or read_lines(Path(arguments.file))
        print(*task(lines), sep="\n")
        return
    for line in read_stdin():
        print(task(line), flush=True)


def export(arguments):
    """Writes the SavedModel and says how to use it."""
    task = TextToText.load(finished_task(arguments.run))
    folder = Path(arguments.folder or Path(arguments.run) / "saved_model")
    task.export(folder)
    print(f"Wrote {folder}. To use it:")
    print("  import tensorflow as tf, tensorflow_text")
    print(f'  served = tf.saved_model.load("{folder}").signatures')
    print('  served["serving_default"](text=tf.constant(["twenty-three"]))')


COMMANDS = {
    "train": (Train, train),
    "evaluate": (Evaluate, evaluate),
    "translate": (Translate, translate),
    "export": (Export, export),
}

if __name__ == "__main__":
    run_commands(COMMANDS, __doc__)

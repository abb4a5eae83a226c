"""What the recipes share: commands, options, training, samples."""

import sys
from pathlib import Path

import keras

from keras_attention import (
    attention_maps,
    attention_page,
    plot_attention,
    training,
)


class UsageError(ValueError):
    """What the user can mend: one message and exit code 2."""


def run_commands(commands, description):
    """Parses the command line and runs one of its commands.

    What went wrong is one message on standard error and exit code 2.

    Args:
        commands: dictionary from a command's name to its dataclass of
            options and the function that takes an instance of it.
        description: text of `--help`.
    """
    import tyro

    options = tyro.extras.subcommand_cli_from_dict(
        {name: options for name, (options, _) in commands.items()},
        description=description,
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    function = next(f for cls, f in commands.values() if type(options) is cls)
    try:
        function(options)
    except (ValueError, ImportError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def check_numbers(options, *names, at_least=1, above=None, below=None):
    """Refuses options out of their range, by the names of their flags.

    Args:
        options: dataclass.
        *names: fields of it.
        at_least: the least value; not used with `above` or `below` alone.
        above, below: bounds that a value may not reach, or None.

    Raises:
        UsageError: for the first value out of its range.
    """
    if above is not None:
        at_least = None
    for name in names:
        value = getattr(options, name)
        # So that a NaN fits nowhere.
        fits = (
            (at_least is None or value >= at_least)
            and (above is None or value > above)
            and (below is None or value < below)
        )
        if not fits:
            bounds = (
                f"at least {at_least}" * (at_least is not None),
                f"above {above}" * (above is not None),
                f"below {below}" * (below is not None),
            )
            raise UsageError(
                f"--{name.replace('_', '-')} must be "
                f"{' and '.join(filter(None, bounds))}. Received: {value}"
            )


def compile_for_tokens(config, model):
    """Sets up Adam, its schedule and the smoothed loss of a token model.

    Args:
        config: the options `learning_rate`, `warmup_steps`, `clip_norm`,
            `label_smoothing` and `jit`.
        model: the model to compile.
    """
    model.compile(
        optimizer=keras.optimizers.Adam(
            training.InverseSquareRootSchedule(
                config.learning_rate, config.warmup_steps
            ),
            beta_1=0.9,
            beta_2=0.98,
            epsilon=1e-9,
            global_clipnorm=config.clip_norm,
        ),
        loss=training.LabelSmoothedCrossentropy(config.label_smoothing),
        weighted_metrics=[training.Perplexity(), training.TokenCount()],
        jit_compile=config.jit or keras.backend.backend() == "jax",
    )


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

    def on_epoch_end(self, epoch, logs=None):
        # Asking for the model makes the JAX trainer hand over its weights.
        self.task.model = self.model
        logs.update(self.score(self.task(self.sources), self.targets))


def show_samples(task, sources, targets):
    """Prints outputs beside their references."""
    outputs = task(sources)
    for source, target, output in zip(sources, targets, outputs, strict=True):
        print(f"\nsource     {source}\nreference  {target}")
        print(f"output     {output}")


def show_attention(task, sources, run):
    """Draws what the model looked at for samples, into the run folder.

    `attention.html` shows all of it, `attention.png` the last layer that reads
    the source for the first sample.

    Args:
        task: what offers `attention_inputs`.
        sources: list of inputs; none draws nothing.
        run: path of the run folder.
    """
    if not sources:
        return
    try:
        maps = attention_maps(task, sources)
    except ValueError as error:
        print(f"No attention is shown: {error}")
        return
    page, picture = Path(run) / "attention.html", Path(run) / "attention.png"
    attention_page(maps, page)
    layers = maps.across or list(maps)
    plot_attention(maps, picture, layers=layers[-1])
    print(f"\nWhat it looked at: {page} and {picture}")


def read_stdin():
    """Yields the lines of standard input, which is UTF-8 as files are.

    Raises:
        UsageError: for a line that is not.
    """
    for number, line in enumerate(sys.stdin.buffer, start=1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UsageError(
                f"Standard input is not UTF-8: line {number} holds the byte "
                f"0x{line[error.start]:02x}."
            ) from None
        yield text.rstrip("\r\n")

"""What all recipes share: commands, options, lines of text."""

import dataclasses
import re
import sys
import warnings
from pathlib import Path

import keras

from keras_attention import (
    attention_maps,
    attention_page,
    optional,
    plot_attention,
    training,
)
from keras_attention.data.files import read_lines
from keras_attention.printing import visible
from keras_attention.training.interruption import handle_signals

_SHOWN_TOKENS = 200


class UsageError(ValueError):
    """What the user can mend: one message and exit code 2."""


def run_commands(commands, description):
    """Parses the command line and runs one of its commands.

    What went wrong is one message on standard error and exit code 2. Ctrl-C
    and SIGTERM are one line too, and exit codes 130 and 143.

    Args:
        commands: dictionary from a command's name to its dataclass of
            options and the function that takes an instance of it.
        description: text of `--help`.
    """
    tyro = optional.load("tyro", "The command line of a recipe")
    options = tyro.extras.subcommand_cli_from_dict(
        {name: options for name, (options, _) in commands.items()},
        description=description,
    )
    function = next(f for cls, f in commands.values() if type(options) is cls)
    formatted = warnings.formatwarning
    warnings.formatwarning = _as_one_line
    try:
        with handle_signals():
            function(options)
    except (ValueError, ImportError, OSError) as error:
        print(f"error: {visible(error, lines=True)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as interrupt:
        reason = ": ".join(["interrupted", *map(str, interrupt.args)])
        print(reason, file=sys.stderr)
        sys.exit(130)
    finally:
        warnings.formatwarning = formatted


def _as_one_line(message, category, filename, lineno, line=None):
    """A warning for users, who do not care which line gave it."""
    message = visible(message, lines=True)
    if issubclass(category, UserWarning):
        return f"warning: {message}\n"
    return f"{filename}:{lineno}: {category.__name__}: {message}\n"


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


def check_own_options(config, option, own):
    """Refuses options that mean nothing to what was chosen.

    Args:
        config: dataclass of options with defaults.
        option: name of the field that chooses.
        own: dictionary from what can be chosen to the names of the fields
            that belong to it alone.

    Raises:
        UsageError: for the first field of another choice that is not as by
            default.
    """
    defaults = {x.name: x.default for x in dataclasses.fields(config)}
    chosen = getattr(config, option)
    for name in defaults:
        owners = [owner for owner, names in own.items() if name in names]
        if owners and chosen not in owners:
            if getattr(config, name) != defaults[name]:
                raise UsageError(
                    f"--{name.replace('_', '-')} is an option of --{option} "
                    f"{' or '.join(owners)}, not of --{option} {chosen}."
                )


def make_optimizer(config, epoch_steps):
    """Makes Adam with a schedule that warms up.

    Args:
        config: the options `learning_rate`, `warmup_steps`, `schedule`,
            `clip_norm`, `epochs` and `steps`.
        epoch_steps: integer, the batches of an epoch.

    Raises:
        UsageError: if a cosine would end before the warm-up does.
    """
    return keras.optimizers.Adam(
        _make_schedule(config, epoch_steps),
        beta_1=0.9,
        beta_2=0.98,
        epsilon=1e-9,
        global_clipnorm=config.clip_norm,
    )


def _make_schedule(config, epoch_steps):
    peak, warmup = config.learning_rate, config.warmup_steps
    if config.schedule == "inverse_sqrt":
        return training.InverseSquareRootSchedule(peak, warmup)
    steps = config.steps or config.epochs * epoch_steps
    if steps <= warmup:
        raise UsageError(
            f"--schedule cosine needs more steps than --warmup-steps {warmup}. "
            f"Training takes {steps}."
        )
    return keras.optimizers.schedules.CosineDecay(
        peak / warmup,  # the first update is not lost to a rate of 0
        decay_steps=steps - warmup,
        warmup_target=peak,
        warmup_steps=warmup,
    )


def compiles_with_xla(config):
    """Whether to compile a training step with XLA: as told, or on JAX."""
    return config.jit or keras.backend.backend() == "jax"


def check_texts(arguments):
    """Refuses texts and a file of texts at once."""
    if arguments.text and arguments.file:
        raise UsageError("Give texts or --file, not both.")


def answer(task, arguments):
    """Prints what a task makes of each text, one a line.

    So that lines stay one a text, and since a tokenizer or a label may come
    from anyone, control characters are shown (`visible`), also in a file.

    Args:
        task: function of a string or a list of strings.
        arguments: the options `text`, a list of strings, and `file`, a path;
            without either, standard input is read and answered line by line.
    """
    if arguments.text or arguments.file:
        lines = arguments.text or read_lines(Path(arguments.file))
        print(*map(visible, task(lines)), sep="\n")
        return
    for line in read_stdin():
        print(visible(task(line)), flush=True)


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


def try_model(model, inputs):
    """Calls a model once, so that what does not fit is told before training.

    Args:
        model: a Keras model.
        inputs: what it is called with.

    Raises:
        UsageError: if the call fails, with the first reason that is given.
    """
    try:
        model(inputs, training=False)
    except Exception as error:  # each backend raises its own
        raise UsageError(f"The model cannot run: {reason_of(error)}") from None


def first_of(batches):
    """The first row of the first batch, as the model's inputs."""
    inputs, *_ = batches.batch(0, 0)
    return keras.tree.map_structure(lambda x: x[:1], inputs)


def reason_of(error):
    """What an error says, without what Keras wraps around it."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    if text.startswith("Exception encountered when calling"):
        text = text.partition("\n\n")[2].partition("\n\nArguments")[0]
    return " ".join(text.split())


def export_task(task, arguments, example=None):
    """Writes a SavedModel and says how to use it.

    Args:
        task: what `export` writes.
        arguments: the options `run` and `folder`.
        example: a text to show the use with; None for a task of images.
    """
    folder = Path(arguments.folder or Path(arguments.run) / "saved_model")
    task.export(folder)
    print(f"Wrote {folder}. To use it:")
    more = "" if example is None else ", tensorflow_text"
    print(f"  import tensorflow as tf{more}")
    print(f'  served = tf.saved_model.load("{folder}").signatures')
    given = "images=tf.cast(images, tf.float32)"
    if example is not None:
        given = f'text=tf.constant(["{example}"])'
    print(f'  served["serving_default"]({given})')

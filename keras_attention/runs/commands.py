"""Commands of a recipe, the texts they answer, and the export of a task."""

import json
import shlex
import sys
import warnings
from pathlib import Path

from keras_attention import optional
from keras_attention.data.sources.files import read_lines
from keras_attention.printing import visible
from keras_attention.runs.checks import UsageError
from keras_attention.runs.folder import TASK
from keras_attention.runs.vocabulary import note_unknown
from keras_attention.training.interruption import handle_signals


def run_commands(commands, description):
    """Parses the command line and runs one of its commands.

    What went wrong is one message on standard error and exit code 2. Ctrl-C
    and SIGTERM are one line too, and exit codes 130 and 143.

    Args:
        commands: dictionary from a command's name to its dataclass of
            options and the function that takes an instance of it. Fields
            without a default are positional, all others are flags.
        description: text of `--help`.
    """
    formatted = warnings.formatwarning
    warnings.formatwarning = _as_one_line
    try:
        options = _parse(commands, description)
        functions = dict(commands.values())
        with handle_signals():
            functions[type(options)](options)
    except (ValueError, ImportError, OSError) as error:
        print(f"error: {visible(error, lines=True)}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as interrupt:
        reason = ": ".join(["interrupted", *map(str, interrupt.args)])
        print(reason, file=sys.stderr)
        sys.exit(130)
    finally:
        warnings.formatwarning = formatted


def _parse(commands, description):
    """Reads the command line, again where it changes its own defaults."""
    tyro = optional.load("tyro", "The command line of a recipe")
    config = (tyro.conf.PositionalRequiredArgs,)
    options = tyro.extras.subcommand_cli_from_dict(
        {name: options for name, (options, _) in commands.items()},
        description=description,
        config=config,
    )
    # What was given stays, also where it is a default of another case.
    others = getattr(options, "other_defaults", dict)()
    if not others:
        return options
    cls = type(options)
    return tyro.cli(
        cls, default=cls(**others), args=sys.argv[2:], config=config
    )


def _as_one_line(message, category, filename, lineno, line=None):
    """A warning for users, who do not care which line gave it."""
    message = visible(message, lines=True)
    if issubclass(category, UserWarning):
        return f"warning: {message}\n"
    return f"{filename}:{lineno}: {category.__name__}: {message}\n"


def check_texts(arguments):
    """Refuses texts and a file of texts at once."""
    if arguments.text and arguments.file:
        raise UsageError("Give texts or --file, not both.")


def answer(task, arguments, tell=None):
    """Prints what a task makes of each text, one a line.

    So that lines stay one a text, and since a tokenizer or a label may come
    from anyone, control characters are shown (`visible`), also in a file.

    Args:
        task: function of a string or a list of strings. Of a task with a
            tokenizer, a note says what part of the texts no piece covers.
        arguments: the options `text`, a list of strings, and `file`, a path;
            without either, standard input is read and answered line by line.
        tell: function of a string or a list of strings, what is printed of
            each; by default the task itself.
    """
    tell = tell or task
    if arguments.text or arguments.file:
        lines = arguments.text or read_lines(Path(arguments.file))
        note_unknown(task, lines)
        print(*map(visible, tell(lines)), sep="\n")
        return
    for line in read_stdin():
        note_unknown(task, [line])
        print(visible(tell(line)), flush=True)


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


def tell_what_is_next(run, following):
    """Prints the commands that a finished run is for, to be copied.

    Args:
        run: path of the run folder.
        following: the commands, each a tuple of its name and an example of
            its arguments.
    """
    print(f"The run lies in {run}. What can be done with it:")
    for name, *arguments in following:
        # A text that begins as a flag does is none.
        arguments = ["--", *arguments] if arguments else []
        words = ["python", sys.argv[0], name, "--run", str(run), *arguments]
        print(f"  {visible(shlex.join(words))}")
    load = f"tasks.load({json.dumps(str(Path(run) / TASK))})"
    code = f"from keras_attention import tasks; task = {load}"
    print(f"  {visible(shlex.join(['python', '-ic', code]))}")


def export_task(task, arguments, example=None, given=None):
    """Writes a SavedModel and says how to use it.

    Args:
        task: what `export` writes.
        arguments: the options `run` and `folder`.
        example: a text to show the use with; None for a task of images.
        given: string, the inputs of a task that writes about other sources.
    """
    folder = Path(arguments.folder or Path(arguments.run) / "saved_model")
    task.export(folder)
    print(f"Wrote {folder}. To use it:")
    with_text = example is not None or given is not None
    more = ", tensorflow_text" if with_text else ""
    print(f"  import tensorflow as tf{more}")
    print(f'  served = tf.saved_model.load("{folder}").signatures')
    given = given or "images=tf.cast(images, tf.float32)"
    if example is not None:
        given = f'text=tf.constant(["{example}"])'
    print(f'  served["serving_default"]({given})')

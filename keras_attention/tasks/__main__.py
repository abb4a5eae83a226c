"""Exports a saved task: python -m keras_attention.tasks TASK FOLDER."""

import argparse
import sys

from keras_attention import tasks
from keras_attention.printing import visible


def main():
    """Reads the arguments and exports; exits with 2 after an error."""
    parser = argparse.ArgumentParser(
        prog="python -m keras_attention.tasks",
        description="Writes a saved task as a TensorFlow SavedModel.",
    )
    parser.add_argument("task", help="folder that the task's save wrote")
    parser.add_argument("folder", help="folder to write or replace")
    arguments = parser.parse_args()
    try:
        tasks.load(arguments.task).export(arguments.folder)
    except (ImportError, OSError, ValueError) as error:
        print(visible(error, lines=True), file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()

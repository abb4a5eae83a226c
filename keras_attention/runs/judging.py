"""Scores a classifier on a test set, and on examples of no known class."""

from keras_attention import tasks
from keras_attention.data.images.loading import list_images
from keras_attention.printing import visible
from keras_attention.runs.cards import tell_scores
from keras_attention.runs.checks import UsageError
from keras_attention.runs.classification_data import (
    load_examples,
    number_labels,
)
from keras_attention.runs.data import check_dataset, load_split
from keras_attention.runs.reports import (
    choose_threshold,
    plot_calibration,
    plot_confusion,
    scores,
    worst_mistakes,
)
from keras_attention.runs.samples import show_attention
from keras_attention.tasks import ImageClassifier


def check_outside_options(arguments):
    """Refuses half of the options for examples of no known class."""
    given = arguments.outside_split, arguments.outside_validation
    if any(given) != all(given):
        raise UsageError(
            "Give --outside-split, which is scored, and --outside-validation, "
            "on which the threshold is chosen, together."
        )


def judge(arguments, config, folder):
    """Prints scores and the worst mistakes, and draws the pictures.

    Args:
        arguments: the command's options.
        config: options of the run.
        folder: path of the saved task.
    """
    dataset = arguments.dataset
    if dataset:
        check_dataset(dataset)
    task = tasks.load(folder, batch_size=arguments.batch_size)
    inputs, given, names = load_for_task(config, task, dataset, arguments.split)
    numbers = number_labels(given, task.labels, arguments.split)
    probabilities = task.probabilities(inputs)
    predicted = probabilities.argmax(axis=-1)
    found = scores(numbers, predicted)
    print(f"accuracy {found['accuracy']:.2%} of {len(numbers)} examples")
    print(f"macro-F1 {100 * found['macro_f1']:.2f}")
    tell_scores(arguments, found)
    pictures = [
        folder.parent / f"{name}_{arguments.split}.png"
        for name in ("confusion", "calibration")
    ]
    plot_confusion(numbers, predicted, task.labels, pictures[0])
    error = plot_calibration(numbers, probabilities, pictures[1])
    print(f"expected calibration error {error:.4f}")
    print(f"Drew {pictures[0]} and {pictures[1]}.")
    if arguments.outside_split:
        judge_outside(arguments, config, task, numbers, probabilities)
    worst = worst_mistakes(numbers, probabilities, arguments.show)
    for row in worst:
        best = probabilities[row].argmax()
        print()
        print(
            visible(
                f"{given[row]} taken for {task.labels[best]} "
                f"({probabilities[row, best]:.1%}): "
                f"{describe(inputs, row, names)}"
            )
        )
    show_attention(task, [inputs[row] for row in worst], arguments.run)


def judge_outside(arguments, config, task, numbers, probabilities):
    """Prints how well examples of no known class are told apart."""

    def surest(split):
        inputs, given, _ = load_for_task(config, task, arguments.dataset, split)
        found = task.probabilities(inputs)
        return found.max(axis=-1), found.argmax(axis=-1), given

    inside, best, given = surest(config.validation_split)
    correct = best == number_labels(given, task.labels, config.validation_split)
    outside, *_ = surest(arguments.outside_validation)
    threshold = choose_threshold(inside, correct, outside)
    refused = surest(arguments.outside_split)[0] < threshold
    named = probabilities.max(axis=-1) >= threshold
    right = named & (probabilities.argmax(axis=-1) == numbers)
    print(
        f"threshold {threshold:.4f}: {refused.mean():.2%} of {len(refused)} "
        f"examples of no class refused; accuracy in scope with it "
        f"{right.mean():.2%}"
    )


def load_for_task(config, task, dataset, split):
    """Loads `(inputs, labels, names)` of a split; texts have no names."""
    has_images = isinstance(task, ImageClassifier)
    shape = task.settings["image_shape"] if has_images else None

    def load(config, dataset, split):
        found = load_examples(config, dataset, split, shape)
        return *found, list_images(dataset, split) if has_images else None

    return load_split(config, dataset, split, load, by_class=True)


def show_predictions(task, inputs, given, run):
    """Prints labels beside what they should be, and draws attention."""
    if not len(inputs):
        return
    for row, label in enumerate(task(inputs)):
        print()
        line = f"{label} (should be {given[row]}): {describe(inputs, row)}"
        print(visible(line))
    show_attention(task, inputs, run)


def with_probability(task, inputs):
    """Names the class of each input, and how probable it is.

    Args:
        task: a `TextClassifier` or an `ImageClassifier`.
        inputs: a text, or several texts or images.

    Returns:
        A string such as `"positive 0.9731"` for one text, otherwise a list of
        them.
    """
    if isinstance(inputs, str):
        return with_probability(task, [inputs])[0]
    return [
        f"{task.labels[row.argmax()]} {row.max():.4f}"
        for row in task.probabilities(inputs)
    ]


def describe(inputs, row, names=None):
    """An input as one line; of an image its name, or which one it is."""
    if isinstance(inputs[row], str):
        line = " ".join(inputs[row].split())
        return line if len(line) <= 200 else f"{line[:200]} ..."
    return names[row] if names else f"image {row}"

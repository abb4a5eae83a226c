"""Base of all tasks: a model, settings, a folder and an export."""

import inspect
import json
from pathlib import Path

from keras_attention import export
from keras_attention.data.tokenizers import load_tokenizer
from keras_attention.models.saving.card import import_line
from keras_attention.tasks.core.describe import describe_task
from keras_attention.tasks.core.folder import (
    TASK,
    check_known,
    load_task,
    save_task,
)
from keras_attention.zoo.core import hub


class Task:
    """Base of the tasks.

    A task is made from its model, its tokenizers and its settings, in this
    order. It says its `kind`, which is part of the name of the function that
    exports it, its `pipeline_tag`, as Hugging Face calls it, the class of its
    model, and the files of its tokenizers. What a published folder says of
    its settings it reads in `preset_settings`.
    """

    kind = ""
    pipeline_tag = None
    model_class = None
    tokenizer_files = ()

    @classmethod
    def check_model(cls, model):
        """Raises ValueError for a model of another class than the task's."""
        name = cls.model_class.__name__
        if not isinstance(model, cls.model_class):
            raise ValueError(
                f"model must be {'an' if name[0] in 'AEIOU' else 'a'} {name}. "
                f"Received: {type(model).__name__}"
            )

    def tokenizers(self):
        """Lists the tokenizers, in the order of `tokenizer_files`."""
        return []

    def saved_settings(self):
        """Gives the settings that a folder keeps, a dictionary."""
        return self.settings

    def save_parts(self, folder):
        """Writes what a task has beside its model, `load_parts` reads it.

        Args:
            folder: `pathlib.Path`, that of the task.
        """

    @classmethod
    def load_parts(cls, folder):
        """Reads what `save_parts` wrote: a dictionary of arguments."""
        return {}

    def save(self, folder, *, training=None, scores=None):
        """Writes model, tokenizers, settings and a card into a folder.

        The folder is complete or not there at all, and an earlier task in
        its place is kept until then. A `README.md` that somebody wrote or
        edited there stays.

        Args:
            folder: path.
            training: how the model was trained, for the model card
                `README.md`: a text, or a dictionary of settings.
            scores: dictionary from names of metrics to numbers, for the card.

        Raises:
            ValueError: if the folder holds something else.
        """
        files = zip(self.tokenizer_files, self.tokenizers(), strict=True)
        cls, name = type(self), Path(folder).resolve().name
        save_task(
            folder,
            self.kind,
            self.model,
            self.saved_settings(),
            dict(files),
            self.save_parts,
            title=cls.__name__,
            pipeline_tag=self.pipeline_tag,
            use=f"{import_line(cls)}\n\n"
            f"task = {cls.__name__}.load({json.dumps(name)})",
            training=training,
            scores=scores,
        )

    @classmethod
    def load(cls, folder, **settings):
        """Makes the task that `save` wrote.

        Args:
            folder: path.
            **settings: settings to change, for example `batch_size=1`.

        Returns:
            A task of this class.

        Raises:
            ValueError: if a file is missing, damaged or of another kind, or
                a setting is out of its range.
        """
        model, settings, *tokenizers = load_task(
            folder,
            cls.kind,
            cls.model_class,
            cls._setting_names(),
            cls.tokenizer_files,
            settings,
        )
        try:
            settings = {**cls.load_parts(Path(folder)), **settings}
            return cls(model, *tokenizers, **settings)
        except ValueError as error:
            raise ValueError(f"No usable task at {folder}: {error}") from error

    @classmethod
    def from_preset(cls, preset, **settings):
        """Makes a task of a published model with its tokenizer.

        Args:
            preset: path of a folder of Hugging Face, or of one that `save`
                wrote; `"hf://owner/name"` or `"hf://owner/name@revision"`.
            **settings: settings of the task, in place of those that the
                folder states.

        Returns:
            A task of this class.

        Raises:
            ValueError: if the folder has no tokenizer or no such model, the
                two do not fit together, or a setting is unknown.
        """
        if isinstance(preset, str) and preset.startswith(hub.SCHEME):
            preset = hub.fetch(preset)
        folder = Path(preset)
        if (folder / TASK).is_file():
            return cls.load(folder, **settings)
        check_known("from_preset(...)", settings, cls._setting_names())
        # The model takes longer to read.
        home = cls.preset_home(folder)
        tokenizers = cls.preset_tokenizers(home)
        model = cls.model_class.from_preset(home)
        found = cls.preset_settings(folder, model, tokenizers)
        settings = {**found, **settings}
        try:
            return cls(model, *tokenizers, **settings)
        except ValueError as error:
            raise ValueError(
                f"No usable {cls.__name__} in {folder}: {error}"
            ) from error

    @classmethod
    def preset_home(cls, folder):
        """Finds where a published folder has its model and tokenizer."""
        return folder

    @classmethod
    def preset_tokenizers(cls, folder):
        """Reads the tokenizers of a published folder, a list."""
        return [load_tokenizer(folder)] if cls.tokenizer_files else []

    @classmethod
    def preset_settings(cls, folder, model, tokenizers):
        """Reads what a published folder says of settings, a dictionary.

        Args:
            folder: `pathlib.Path`.
            model: the model that was read from it.
            tokenizers: list, from `preset_tokenizers`.
        """
        return {}

    def __repr__(self):
        return describe_task(self, self.tokenizers(), self.saved_settings())

    def export(self, folder):
        """Writes a TensorFlow SavedModel, to be served without this package.

        See the function of `keras_attention.export` that is called
        `export_` and the task's kind, such as `export_text_classifier`, for
        what it holds and how to serve it.

        Args:
            folder: path.

        Raises:
            ValueError: if the folder holds something else.
        """
        getattr(export, f"export_{self.kind}")(self, folder)

    @classmethod
    def _setting_names(cls):
        """Names the settings, and says which of them there must be."""
        parameters = [*inspect.signature(cls).parameters.values()]
        first = 1 + len(cls.tokenizer_files)
        return {x.name: x.default is x.empty for x in parameters[first:]}

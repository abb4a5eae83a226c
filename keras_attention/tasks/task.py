"""Base of all tasks: a model, settings, a folder and an export."""

import inspect
import json
from pathlib import Path

from keras_attention import export
from keras_attention.models.card import import_line
from keras_attention.tasks.folder import load_task, save_task


class Task:
    """Base of the tasks.

    A task is made from its model, its tokenizers and its settings, in this
    order. It says its `kind`, which is part of the name of the function that
    exports it, the class of its model, and the files of its tokenizers.
    """

    kind = ""
    model_class = None
    tokenizer_files = ()

    def tokenizers(self):
        """Lists the tokenizers, in the order of `tokenizer_files`."""
        return []

    def saved_settings(self):
        """Gives the settings that a folder keeps, a dictionary."""
        return self.settings

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
            title=cls.__name__,
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
            return cls(model, *tokenizers, **settings)
        except ValueError as error:
            raise ValueError(f"No usable task at {folder}: {error}") from error

    def export(self, folder):
        """Writes a TensorFlow SavedModel, to be served without this package.

        See `keras_attention.export.export_text_to_text`,
        `export_text_classifier` and `export_image_classifier` for what it
        holds and how to serve it.

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

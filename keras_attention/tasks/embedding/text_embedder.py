"""Strings in, vectors out."""

import numpy as np
from keras import ops

from keras_attention.checks import check_boolean, did_you_mean
from keras_attention.models.encoder import TransformerEncoder
from keras_attention.tasks.core import text_batches
from keras_attention.tasks.core.task import Task
from keras_attention.tasks.core.text_inputs import TextInputs, check_list
from keras_attention.tasks.embedding import (
    dense_modules,
    embedder_files,
    pooled,
    similarities,
)

_DENSE = "projection"  # folders in that of a task


class TextEmbedder(Task):
    """Turns texts into vectors that are close where the meanings are.

    The vectors that an encoder gives for the ids of a text are pooled to one.
    A text is cut to `max_length`, with a warning that counts the texts cut.
    `from_preset` reads what Sentence Transformers writes into a folder:

    ```python
    embedder = TextEmbedder.from_preset(folder)
    ```

    Args:
        model: a `TransformerEncoder`.
        tokenizer: a `Tokenizer`, such as `load_tokenizer` reads.
        pooling: how vectors become one: `"mean"`, `"cls"` (the first),
            `"max"`, `"mean_sqrt_len_tokens"` (the sum over the root of the
            number of ids), `"weightedmean"` (by positions 1, 2, 3 and so on)
            or `"lasttoken"`; or a list of them, whose results are joined.
        projections: list of `keras.layers.Dense`, one behind another, that
            pooled vectors go through.
        normalize: whether vectors get the length 1.
        prompts: dictionary from names to the strings that stand before a text
            in such a use, for example `{"query": "query: "}`.
        default_prompt: the name of one of them, which counts where a call
            names none; None for no prompt.
        similarity: `"cosine"`, `"dot"`, `"euclidean"` or `"manhattan"`, what
            `similarity` and `search` compare by; of distances, the negatives.
        lowercase: whether texts are put in lower case first.
        max_length: integer, ids of a text, special ones included; None for
            what model and tokenizer allow, or 256 where neither has a limit.
        batch_size: integer, texts that are processed together.

    Call arguments:
        texts: a string or a list of strings.
        prompt: the name of a prompt, or None for the default one.

    Returns:
        NumPy float32 `(dim,)`, or `(len(texts), dim)` for a list.

    Raises:
        ValueError: if tokenizer, model and settings do not fit together, or
            if something that is not text is given.

    Example:

    ```python
    from keras_attention import TransformerEncoder
    from keras_attention.data import SentencePieceTokenizer
    from keras_attention.tasks import TextEmbedder

    texts = ["a man rides a horse .", "two dogs play .", "prices rise ."]
    tokenizer = SentencePieceTokenizer.train(texts, vocabulary_size=27)
    model = TransformerEncoder(tokenizer.vocabulary_size, 2, 32, 4)
    embedder = TextEmbedder(model, tokenizer)
    embedder(texts).shape  # (3, 32)
    embedder.similarity("a dog plays .", texts).shape  # (1, 3)
    found = embedder.search("a horse .", texts, top_k=1)
    embedder.save("embedder")
    ```

    Reference:
        Reimers, Gurevych 2019, Sentence-BERT,
        https://arxiv.org/abs/1908.10084;
        Muennighoff 2022, SGPT (weighted mean),
        https://arxiv.org/abs/2202.08904
    """

    kind = "text_embedder"
    pipeline_tag = "sentence-similarity"
    model_class = TransformerEncoder
    tokenizer_files = ("tokenizer.model",)

    def __init__(
        self,
        model,
        tokenizer,
        *,
        pooling="mean",
        projections=None,
        normalize=True,
        prompts=None,
        default_prompt=None,
        similarity="cosine",
        lowercase=False,
        max_length=None,
        batch_size=32,
    ):
        self.check_model(model)
        check_boolean("normalize", normalize)
        check_boolean("lowercase", lowercase)
        self.model, self.tokenizer = model, tokenizer
        self.inputs = TextInputs(model, tokenizer, max_length, batch_size)
        self.settings = {
            "pooling": pooled.check_pooling(pooling),
            "normalize": normalize,
            "prompts": _check_prompts(prompts),
            "default_prompt": default_prompt,
            "similarity": similarities.check(similarity),
            "lowercase": lowercase,
            "max_length": self.inputs.max_length,
            "batch_size": batch_size,
        }
        self.prompt(None)
        dim = model.output_dim * len(self.settings["pooling"])
        self.projections = dense_modules.check(projections, dim)
        self.dim = self.projections[-1].units if self.projections else dim

    def __call__(self, texts, prompt=None):
        if isinstance(texts, str):
            return self([texts], prompt)[0]
        texts, before = check_list(texts), self.prompt(prompt)
        rows = self._encode(texts, before)
        found = np.zeros((len(rows), self.dim), "float32")
        for indices, inputs in self.inputs.batches(rows):
            hidden = self.model.predict_on_batch(inputs)
            vectors = self.pool(hidden, inputs["padding_mask"])
            vectors = ops.convert_to_numpy(vectors)
            found[indices] = vectors[: len(indices)]
        return found

    def _encode(self, texts, before):
        """Turns texts, each behind a prompt, into rows for `inputs.batches`."""
        text_batches.check_texts(texts)
        texts = [(before + text).strip() for text in texts]
        if self.settings["lowercase"]:
            texts = [text.lower() for text in texts]
        return self.inputs.encode(texts)

    def pool(self, hidden, padding_mask):
        """Makes vectors of texts from those of their ids.

        Args:
            hidden: `(batch, length, hidden_dim)`.
            padding_mask: boolean `(batch, length)`.

        Returns:
            A float32 tensor `(batch, dim)`.
        """
        settings = self.settings
        vectors = pooled.pool(hidden, padding_mask, settings["pooling"])
        for layer in self.projections:
            vectors = layer(vectors)
        return pooled.normalize(vectors) if settings["normalize"] else vectors

    def prompt(self, name):
        """Gives the string of a prompt, or of the default one for None.

        Raises:
            ValueError: if there is no such prompt.
        """
        known = self.settings["prompts"]
        name = self.settings["default_prompt"] if name is None else name
        if name is None:
            return ""
        if name not in known:
            raise ValueError(
                f"prompt must be one of {', '.join(known) or 'none'}. "
                f"Received: {name!r}.{did_you_mean(str(name), known)}"
            )
        return known[name]

    def similarity(self, first, second):
        """Compares vectors, or texts.

        Args:
            first, second: strings, lists of them, or arrays `(count, dim)`.

        Returns:
            NumPy float32 `(count of first, count of second)`, larger for what
            is more similar.
        """
        first, second = self._vectors(first), self._vectors(second)
        return similarities.compare(first, second, self.settings["similarity"])

    def search(
        self,
        queries,
        corpus,
        top_k=10,
        query_prompt=None,
        corpus_prompt=None,
    ):
        """Finds the texts of a corpus that are most similar to queries.

        Args:
            queries: a string or a list of strings, or their vectors.
            corpus: list of strings, or the array `(count, dim)` that a call
                gave for them.
            top_k: integer, how many are found for a query at most.
            query_prompt: the name of the prompt of queries; None for
                `"query"` where there is one, or else the default one.
            corpus_prompt: the name of that of the corpus; None for
                `"document"` or `"passage"` where there is one, or else the
                default one.

        Returns:
            A list of dictionaries `corpus_id` and `score`, the best first;
            for a list of queries a list of such lists.

        Raises:
            ValueError: for a `top_k` below 1 or an unknown prompt.
        """
        if isinstance(queries, str):
            arguments = corpus, top_k, query_prompt, corpus_prompt
            return self.search([queries], *arguments)[0]
        query_prompt = self._prompt_of(query_prompt, "query")
        corpus_prompt = self._prompt_of(corpus_prompt, "document", "passage")
        found = self._vectors(queries, query_prompt)
        corpus = self._vectors(corpus, corpus_prompt)
        return similarities.search(
            found, corpus, self.settings["similarity"], top_k
        )

    def _prompt_of(self, given, *names):
        known = self.settings["prompts"]
        if given is None:
            given = next((name for name in names if name in known), None)
        return given

    def _vectors(self, given, prompt=None):
        if isinstance(given, str):
            given = [given]
        if isinstance(given, (list, tuple)):
            are_texts = not given or any(isinstance(x, str) for x in given)
        else:
            given = ops.convert_to_numpy(given)
            are_texts = given.dtype.kind in "OSTU"
        if are_texts:
            return self(given, prompt)
        return np.atleast_2d(np.asarray(given, "float32"))

    def tokenizers(self):
        return [self.tokenizer]

    @classmethod
    def preset_home(cls, folder):
        return embedder_files.model_folder(folder)

    @classmethod
    def preset_settings(cls, folder, model, tokenizers):
        return embedder_files.read_settings(folder)

    def save_parts(self, folder):
        for index, layer in enumerate(self.projections):
            dense_modules.write(layer, folder / f"{_DENSE}_{index}")

    @classmethod
    def load_parts(cls, folder):
        count = len([*folder.glob(f"{_DENSE}_*")])
        places = [folder / f"{_DENSE}_{index}" for index in range(count)]
        return {"projections": [dense_modules.read(x) for x in places]}


def _check_prompts(prompts):
    prompts = {} if prompts is None else prompts
    valid = isinstance(prompts, dict) and all(
        isinstance(x, str) for pair in prompts.items() for x in pair
    )
    if not valid:
        raise ValueError(
            "prompts must be a dictionary from names to strings. Received: "
            f"{prompts!r}"
        )
    return dict(prompts)

"""Prompts in, text out: a language model with its tokenizer."""

import json

from keras_attention.models.causal_lm import CausalLM
from keras_attention.tasks.core import text_batches
from keras_attention.tasks.core.checks import (
    check_jit_compile,
    check_positive,
    check_vocabulary,
)
from keras_attention.tasks.core.task import Task
from keras_attention.tasks.core.text_inputs import check_list
from keras_attention.tasks.generation import generation_options
from keras_attention.tasks.generation.chat_template import (
    check_messages,
    is_chat,
    read_templates,
    template_of,
)
from keras_attention.tasks.generation.new_text import read_stops, stop_strings
from keras_attention.tasks.generation.text_prompts import TextPrompts
from keras_attention.tasks.generation.text_search import TextSearch

_MOST_SEARCHES = 8  # with different options that stay compiled


class TextGenerator(Task):
    """Continues texts and answers chats.

    How it generates is decided by the options of the call, then by those of
    the task, then by the model's `generation_config.json`; what all of them
    leave open is as in `transformers`: greedy search, 20 new tokens, and the
    50 most probable tokens for sampling. What a prompt becomes does not depend
    on those beside it; a sampled text depends on the seed and on its index.

    ```python
    generator = TextGenerator.from_preset(folder)
    answer = generator.chat([{"role": "user", "content": "Name a colour."}])
    ```

    Args:
        model: a `CausalLM`.
        tokenizer: a `Tokenizer`.
        generation: dictionary of options, as in a call.
        stop: a string or a list of them. A text ends before the first that
            appears in it, and so does its search: with beams that of the
            hypothesis, as in `transformers`. By default those of
            `generation_config.json`.
        chat_template: string, how a chat becomes a prompt, in the language of
            Jinja; or a dictionary of such templates by their names. By default
            what the tokenizer has, if anything.
        batch_size: integer, prompts that are processed together.
        jit_compile: whether to compile with XLA: quicker for many prompts,
            slower for the first ones. `"auto"` does it on JAX alone.

    Call arguments:
        prompts: a string or a chat, or a list of them. A chat is a list of
            messages, `{"role": "user", "content": "Hello!"}`. An empty string
            stands for the start token alone.
        stop: in place of the task's.
        chat_template: the name of one of several templates, for chats; by
            default `"default"`.
        return_full_text: whether a text begins with its prompt. By default it
            is the new text alone, as `transformers` gives it: of a
            SentencePiece tokenizer without the space before its first word.
        return_scores: whether to give scores too.
        **options: `max_new_tokens`, or `max_length` with the prompt;
            `strategy`, one of `"greedy"`, `"sampling"` and `"beam"`;
            `temperature`, `top_k`, `top_p`, `min_p` and `seed`, which choose
            sampling by themselves; `num_beams`, `length_penalty` and
            `early_stopping`, which choose beams; `end_id`; and what
            `Constraints` has, such as `repetition_penalty`.

    Returns:
        A string for one prompt, a list of them for a list. With
        `return_scores` each is a dictionary of `"text"` and `"score"`, the
        summed log-probability of the new tokens under the model, end and stop
        string included, with beams over `length ** length_penalty`.

    Raises:
        ValueError: if model, tokenizer and options do not fit together, a
            prompt is neither a text nor a chat, is empty without a start
            token, or leaves no room for new tokens.

    Example:

    ```python
    from keras_attention import CausalLM, TransformerDecoder
    from keras_attention.data import SentencePieceTokenizer
    from keras_attention.tasks import TextGenerator

    texts = ["a man rides a horse .", "two dogs sleep on the mat ."]
    tokenizer = SentencePieceTokenizer.train(texts, vocabulary_size=24)
    size = tokenizer.vocabulary_size
    generator = TextGenerator(
        CausalLM(TransformerDecoder(size, 1, 32, 4)),
        tokenizer,
        generation={"max_new_tokens": 5},
        chat_template="{% for message in messages %}"
        "{{ message.role }}: {{ message.content }} {% endfor %}",
    )
    text = generator("a man")
    for piece in generator.stream("two dogs", temperature=0.7, seed=1):
        print(piece, end="", flush=True)
    answer = generator.chat([{"role": "user", "content": "a horse"}])
    generator.save("generator")
    generator = TextGenerator.load("generator")
    ```
    """

    kind = "text_generator"
    pipeline_tag = "text-generation"
    model_class = CausalLM
    tokenizer_files = ("tokenizer.model",)

    def __init__(
        self,
        model,
        tokenizer,
        *,
        generation=None,
        stop=None,
        chat_template=None,
        batch_size=8,
        jit_compile="auto",
    ):
        self.check_model(model)
        check_vocabulary("", tokenizer, model)
        check_positive(batch_size=batch_size)
        check_jit_compile(jit_compile)
        generation = generation_options.merge(
            {}, {} if generation is None else generation
        )
        if stop is None:
            stop = (model.generation or {}).get(generation_options.STOPS)
        if chat_template is None:
            chat_template = template_of(tokenizer)
        self.model, self.tokenizer = model, tokenizer
        self.settings = {
            "generation": generation,
            "stop": list(read_stops(stop)),
            "chat_template": chat_template,
            "batch_size": batch_size,
            "jit_compile": jit_compile,
        }
        self.prompts = TextPrompts(model.decoder, tokenizer, chat_template)
        self._searches = {}
        self._search({})  # which checks the options

    def __call__(
        self,
        prompts,
        *,
        stop=None,
        chat_template=None,
        return_full_text=False,
        return_scores=False,
        **options,
    ):
        if isinstance(prompts, str) or is_chat(prompts):
            keywords = {
                "stop": stop,
                "chat_template": chat_template,
                "return_full_text": return_full_text,
                "return_scores": return_scores,
            }
            return self([prompts], **keywords, **options)[0]
        prompts = check_list(prompts, "prompts")
        rows = self.prompts.encode(prompts, chat_template)
        search, seed = self._search(options)
        longest = self.prompts.check_room(rows, search.arguments)
        found = search.texts(
            rows, self._stops(stop), seed, longest, is_full=return_full_text
        )
        if return_full_text:
            before = self.prompts.texts(prompts, chat_template)
            found = [
                (start + text, score)
                for start, (text, score) in zip(before, found, strict=True)
            ]
        if return_scores:
            return [{"text": text, "score": score} for text, score in found]
        return [text for text, _ in found]

    def chat(self, messages, **options):
        """Answers the last message of a chat.

        Args:
            messages: list of dictionaries with `"role"` and `"content"`.
            **options: as of a call.

        Returns:
            The answer, as a call gives it.

        Raises:
            ValueError: if the model has no chat template, or it fails on
                these messages.
        """
        check_messages(messages)
        return self(messages, **options)

    def stream(self, prompt, *, stop=None, chat_template=None, **options):
        """Gives a text piece by piece, as it is generated.

        The pieces together are what a call gives. None ends within a
        character, or holds the beginning of a stop string.

        Args:
            prompt: a string or a chat.
            stop, chat_template, **options: as of a call. Beams cannot be
                streamed, since they may change what they have begun with.

        Returns:
            An iterator of strings, none of them empty.

        Raises:
            ValueError: as of a call.
        """
        rows = self.prompts.encode([prompt], chat_template)
        search, seed = self._search(options)
        longest = self.prompts.check_room(rows, search.arguments)
        return search.pieces(rows[0], self._stops(stop), seed, longest)

    def tokenizers(self):
        return [self.tokenizer]

    @classmethod
    def preset_settings(cls, folder, model, tokenizers):
        found = read_templates(folder)
        return {} if found is None else {"chat_template": found}

    @property
    def arguments(self):
        """The arguments of the `Generator` for a call without options."""
        return self._search({})[0].arguments

    @property
    def stops(self):
        """The `StopStrings` of a call without options, or None."""
        size = self.model.decoder.vocabulary_size
        return stop_strings(self.tokenizer, size, self._stops(None))

    def _stops(self, stop):
        return read_stops(self.settings["stop"] if stop is None else stop)

    def _search(self, options):
        """Makes or finds the search for some options; gives its seed too."""
        settings = self.settings
        merged = generation_options.merge(settings["generation"], options)
        seed = generation_options.take_seed(merged)
        key = json.dumps(merged, sort_keys=True, default=repr)
        if key not in self._searches:
            jit_compile = settings["jit_compile"]
            if jit_compile == "auto":
                jit_compile = text_batches.compiles_shapes()
            made = TextSearch(
                self.model,
                self.tokenizer,
                generation_options.generator_arguments(
                    self.model, self.tokenizer, merged
                ),
                settings["batch_size"],
                jit_compile,
            )
            while len(self._searches) >= _MOST_SEARCHES:
                self._searches.pop(next(iter(self._searches)))
            self._searches[key] = made
        return self._searches[key], seed

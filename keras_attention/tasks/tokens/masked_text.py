"""Strings with gaps in, what fills them out."""

import numpy as np
from keras import ops

from keras_attention.models.masked_lm import MaskedLM
from keras_attention.tasks.classification.base import softmax
from keras_attention.tasks.core import text_batches
from keras_attention.tasks.core.checks import check_positive, check_tokenizer
from keras_attention.tasks.core.task import Task
from keras_attention.tasks.core.text_inputs import TextInputs, check_list


class MaskedText(Task):
    """Fills in masked tokens of texts.

    A text is cut to `max_length`, with a warning that counts the texts cut.
    `from_preset` reads a published folder:

    ```python
    fill = MaskedText.from_preset(folder)
    fill("Paris is the [MASK] of France.")[0]["token"]
    ```

    Args:
        model: a `MaskedLM`.
        tokenizer: a `Tokenizer` with a mask token, such as `load_tokenizer`
            reads.
        top_k: integer, how many tokens are given for a mask.
        max_length: integer, ids of a text, special ones included; None for
            what model and tokenizer allow, or 256 where neither has a limit.
        batch_size: integer, texts that are processed together.

    Call arguments:
        texts: a string or a list of strings, each with one or more masks:
            `[MASK]`, `<mask>` or the tokenizer's own.
        targets: a string or a list of strings, the tokens to choose among;
            all by default. Their probabilities stay those among all.

    Returns:
        For a string with one mask a list of dictionaries, the most probable
        first: `token` and `token_id`; `score`, its probability; `text`, the
        text with it filled in. For several masks a list of such lists, in
        whose texts the other masks stay. For a list of strings a list of
        either.

    Raises:
        ValueError: if tokenizer, model and settings do not fit together, a
            text has no mask, or a target is no single token.

    Example:

    ```python
    import json
    import tokenizers
    from keras_attention import MaskedLM, TransformerEncoder
    from keras_attention.data import FastTokenizer
    from keras_attention.tasks import MaskedText

    words = "[PAD] [UNK] [CLS] [MASK] a man rides the horse".split()
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel(
            {word: number for number, word in enumerate(words)}, "[UNK]"
        )
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    roles = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "mask": "[MASK]"}
    tokenizer = FastTokenizer(
        json.loads(made.to_str()),
        {f"{role}_token": token for role, token in roles.items()},
    )
    model = MaskedLM(TransformerEncoder(len(words), 2, 32, 4))
    fill = MaskedText(model, tokenizer, top_k=3)
    len(fill("the man rides the [MASK]"))  # 3
    best = fill("a [MASK] rides", targets=["man", "horse"])[0]["token"]
    ```

    Reference:
        Devlin et al. 2019, BERT, https://arxiv.org/abs/1810.04805
    """

    kind = "masked_text"
    pipeline_tag = "fill-mask"
    model_class = MaskedLM
    tokenizer_files = ("tokenizer.model",)
    masks = ("[MASK]", "<mask>")  # which count with any tokenizer

    def __init__(
        self, model, tokenizer, top_k=5, *, max_length=None, batch_size=32
    ):
        self.check_model(model)
        check_positive(top_k=top_k)
        check_tokenizer("", tokenizer, model.encoder, ["mask_id"])
        self.model, self.tokenizer = model, tokenizer
        self.inputs = TextInputs(
            model.encoder, tokenizer, max_length, batch_size
        )
        self.settings = {
            "top_k": min(top_k, tokenizer.vocabulary_size),
            "max_length": self.inputs.max_length,
            "batch_size": batch_size,
        }
        ((self.mask,),) = tokenizer.pieces([[tokenizer.mask_id]])

    def __call__(self, texts, targets=None):
        if isinstance(texts, str):
            return self([texts], targets)[0]
        texts = check_list(texts)
        text_batches.check_texts(texts)
        texts = [self.with_own_mask(text) for text in texts]
        rows = self.inputs.encode(texts)
        chosen = None if targets is None else self.target_ids(targets)
        places = self._places(rows)
        found = [None] * len(texts)
        for indices, inputs in self.inputs.batches(rows):
            here = [places[index] for index in indices]
            count = len(inputs["token_ids"])
            shape = count, max(map(len, here))
            inputs["mask_positions"] = text_batches.pad(here, 0, shape)
            logits = ops.convert_to_numpy(self.model.predict_on_batch(inputs))
            for index, row in zip(indices, logits, strict=False):
                best = self._best(row[: len(places[index])], chosen)
                filled = [
                    self._filled(
                        texts[index],
                        rows[index][0],
                        number=number,
                        place=places[index][number],
                        best=pairs,
                    )
                    for number, pairs in enumerate(best)
                ]
                found[index] = filled[0] if len(filled) == 1 else filled
        return found

    def with_own_mask(self, text):
        """Puts the tokenizer's mask in the place of any other."""
        for mask in self.masks:
            text = text.replace(mask, self.mask)
        return text

    def target_ids(self, targets):
        """Gives the ids of targets, each once.

        Raises:
            ValueError: for what is no list of single tokens.
        """
        several = [targets] if isinstance(targets, str) else targets
        several = check_list(several, "targets")
        text_batches.check_texts(several, "targets")
        found = {}
        for target in several:
            number = self.tokenizer.token_id(target)
            if number < 0 or number == self.tokenizer.unknown_id:
                (ids,) = self.tokenizer.encode([target])
                number = ids[0] if len(ids) == 1 else -1
            if number < 0 or number == self.tokenizer.unknown_id:
                raise ValueError(
                    "targets must be single tokens of the vocabulary. "
                    f"Received: {target!r}"
                )
            found[number] = True
        if not found:
            raise ValueError("targets must hold a token at least. Received: []")
        return np.array([*found])

    def _places(self, rows):
        """Lists the positions of the masks in each row."""
        mask_id = self.tokenizer.mask_id
        places = [
            [place for place, number in enumerate(ids) if number == mask_id]
            for ids, _ in rows
        ]
        missing = [index for index, found in enumerate(places) if not found]
        if missing:
            raise ValueError(
                f"Each text must have the mask {self.mask} within "
                f"max_length={self.inputs.max_length} tokens. Received: none "
                f"at index {missing[0]}"
            )
        return places

    def _best(self, logits, chosen):
        """Lists for each mask the pairs of the best ids and probabilities."""
        # A model may know more ids than its tokenizer.
        found = softmax(logits.astype("float32"))
        ids = np.arange(self.tokenizer.vocabulary_size)
        ids = ids if chosen is None else chosen
        found = found[:, ids]
        order = np.argsort(-found, axis=-1, kind="stable")
        order = order[:, : self.settings["top_k"]]
        return [
            [(int(ids[i]), float(row[i])) for i in best]
            for row, best in zip(found, order, strict=True)
        ]

    def _filled(self, text, ids, number, place, best):
        """Describes what fills a mask, the `number`-th of its text."""
        is_alone = ids.count(self.tokenizer.mask_id) == 1
        found = []
        for token_id, score in best:
            token = self.shown(token_id)
            if is_alone:
                filled = [*ids[:place], token_id, *ids[place + 1 :]]
                (whole,) = self.tokenizer.decode([filled])
            else:
                parts = text.split(self.mask)
                before = self.mask.join(parts[: number + 1])
                behind = self.mask.join(parts[number + 1 :])
                whole = f"{before}{token.strip()}{behind}"
            found.append(
                {
                    "token": token,
                    "token_id": token_id,
                    "score": score,
                    "text": whole,
                }
            )
        return found

    def shown(self, token_id):
        """Gives the text of a token, or of a special one its name."""
        return (
            self.tokenizer.decode([[token_id]])[0]
            or (self.tokenizer.pieces([[token_id]])[0][0])
        )

    def tokenizers(self):
        return [self.tokenizer]

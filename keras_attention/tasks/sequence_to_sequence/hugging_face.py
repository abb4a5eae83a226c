"""A `TextToText` as a folder of Hugging Face."""

import json

from keras_attention.data import SentencePieceTokenizer
from keras_attention.files import check_folder, replacing_folder
from keras_attention.generation.published import CONSTRAINTS
from keras_attention.models.published import writing
from keras_attention.zoo.core.describing import LONGEST

SOURCE, TARGET = "source.spm", "target.spm"
VOCABULARY, OF_TARGET = "vocab.json", "target_vocab.json"


def write(task, folder):
    """Writes a folder that `transformers` reads, with the tokenizers.

    ```python
    import transformers

    task.to_huggingface(folder)
    tokenizer = transformers.MarianTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder)
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    tokenizer.batch_decode(model.generate(**inputs), skip_special_tokens=True)
    ```

    gives what `task(texts)` gives, with its settings; texts longer than
    `max_source_length` need `truncation=True`. There a `>>code<<` in front of a
    text, and names of special tokens within it, are no text; spaces at the end
    of an output and its unknown characters, where the task shows "⁇", are left
    out; and a blank text becomes whatever the model makes of it. `source.spm`
    and `target.spm` are the SentencePiece models.

    Args:
        task: a `TextToText`.
        folder: path. It is complete or not there at all; an earlier one in its
            place is kept until then.

    Raises:
        ValueError: if the model is like that of no published family, as of its
            own `to_huggingface`, a tokenizer is no `SentencePieceTokenizer`,
            or the folder holds something else.
    """
    source, target = task.source_tokenizer, task.target_tokenizer
    for name, tokenizer in (("source", source), ("target", target)):
        if not isinstance(tokenizer, SentencePieceTokenizer):
            raise ValueError(
                f"{name}_tokenizer must be a SentencePieceTokenizer, which is "
                "all that MarianTokenizer of transformers reads. Received: "
                f"{type(tokenizer).__name__}"
            )
    if task.settings["constraints"].get("forced_ids"):
        raise ValueError(
            "forced_ids in constraints are what generation_config.json of "
            "transformers has no entry for."
        )
    check_folder(folder, SOURCE)
    settings = task.settings
    ids = {
        "decoder_start_token_id": task.start_id,
        "bos_token_id": target.start_id,
        "eos_token_id": target.end_id,
        "pad_token_id": target.padding_id,
    }
    longest = settings["max_source_length"], settings["max_length"]
    with replacing_folder(folder, SOURCE) as partial:
        writing.write(
            task.model,
            partial,
            max_position_embeddings=max(LONGEST, *longest),
            **ids,
        )
        _write_json(
            partial / "generation_config.json", {**_search(task), **ids}
        )
        _write_tokenizers(task, partial)


def _search(task):
    """The settings of the search, by the names of `transformers`."""
    limits, beams = task.limits(), task.beams()
    constraints = {
        theirs: limits[ours]
        for theirs, ours in CONSTRAINTS.items()
        if ours in limits
    }
    return {
        "forced_eos_token_id": None,
        **constraints,
        "max_length": limits["max_length"],
        "min_length": limits["min_length"],
        # It warns of what one beam does not need.
        **(beams if beams["num_beams"] > 1 else {"num_beams": 1}),
        "do_sample": False,
    }


def _write_tokenizers(task, folder):
    """Writes both tokenizers as one of Marian."""
    source, target = task.source_tokenizer, task.target_tokenizer
    source.save(folder / SOURCE)
    target.save(folder / TARGET)
    own = target.digest != source.digest
    vocabulary = source.vocabulary
    _write_json(folder / VOCABULARY, _by_piece(vocabulary))
    if own:
        _write_json(folder / OF_TARGET, _by_piece(target.vocabulary))
    _write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "MarianTokenizer",
            "model_max_length": task.settings["max_source_length"],
            "separate_vocabs": own,
            "unk_token": vocabulary[source.unknown_id],
            "eos_token": vocabulary[source.end_id],
            "pad_token": vocabulary[source.padding_id],
            "clean_up_tokenization_spaces": False,
        },
    )


def _by_piece(vocabulary):
    return {piece: number for number, piece in enumerate(vocabulary)}


def _write_json(path, content):
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")

"""Tiny models of `transformers` that turn text into text, with tokenizers."""

import torch

from tests.data.tokenizers import folders
from tests.zoo import oracle

_BART = {
    "d_model": 24,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 30,
    "decoder_ffn_dim": 30,
    "max_position_embeddings": 64,
}
_T5 = {
    "d_model": 24,
    "d_kv": 5,
    "d_ff": 31,
    "num_layers": 1,
    "num_heads": 4,
}
# Of each kind: the library's model, its sizes, and how it generates.
KINDS = {
    "marian": (
        "Marian",
        _BART,
        {"num_beams": 4, "bad_words_ids": [[5], [7, 9]], "max_length": 19},
    ),
    "t5": ("T5", _T5, {"max_length": 21}),
    "bart": (
        "Bart",
        _BART,
        {
            "num_beams": 4,
            "max_length": 22,
            "min_length": 9,
            "length_penalty": 2.0,
            "early_stopping": True,
            "no_repeat_ngram_size": 3,
            "forced_bos_token_id": 0,
            "forced_eos_token_id": 2,
        },
    ),
    "pegasus": (
        "Pegasus",
        _BART,
        {
            "num_beams": 3,
            "max_length": 18,
            "length_penalty": 0.6,
            "no_repeat_ngram_size": 2,
            "forced_eos_token_id": 1,
        },
    ),
    "mbart": ("MBart", _BART, {"num_beams": 3, "max_length": 17}),
    "mbart50": (
        "MBart",
        _BART,
        {"num_beams": 3, "max_length": 20, "early_stopping": True},
    ),
    "m2m100": (
        "M2M100",
        _BART,
        {"num_beams": 5, "max_length": 20, "repetition_penalty": 1.3},
    ),
    "nllb": ("M2M100", _BART, {"num_beams": 3, "max_length": 19}),
    "nllb_legacy": (
        "M2M100",
        _BART,
        {"num_beams": 4, "max_length": 19, "no_repeat_ngram_size": 2},
    ),
}
SINUSOIDS = (
    "marian",
    "pegasus",
    "m2m100",
    "nllb",
    "nllb_legacy",
)  # their positions
# The source and the target language, where a model has many.
LANGUAGES = {
    "mbart": ("de_DE", "fr_XX"),
    "mbart50": ("ru_RU", "en_XX"),
    "m2m100": ("de", "en"),
    "nllb": ("deu_Latn", "eng_Latn"),
    "nllb_legacy": ("deu_Latn", "eng_Latn"),
}
TEXTS = [
    "the cat",
    " THE   CAT sat on the </s> ka",
    "größer Ça va",
    "你好 kamito 😀",
    "translate English to German: the cat sat .",
    "kamitoru senlopa veldor in the ing",
    "don't can't I'm 100%",
    "x" * 30,
    "привет мир",
    "a b c d e f g h i j k l m n o p",
]


def make(folder, kind):
    """Writes a folder.

    Args:
        folder: path.
        kind: one of `KINDS`.

    Returns:
        The model and the tokenizer of `transformers`.
    """
    package = oracle.transformers()
    if kind == "bart":
        folders.byte_level(folder, "Bart")
    else:
        folders.MAKERS[kind](folder)
    tokenizer = package.AutoTokenizer.from_pretrained(folder)
    name, sizes, generation = KINDS[kind]
    ids = {
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "decoder_start_token_id": tokenizer.pad_token_id,
    }
    if name in ("Bart", "MBart", "M2M100"):
        ids["decoder_start_token_id"] = tokenizer.eos_token_id
    if kind == "mbart":
        start = tokenizer.convert_tokens_to_ids("en_XX")
        ids["decoder_start_token_id"] = start
    torch.manual_seed(5)
    places = {**tokenizer.get_vocab(), **_languages(tokenizer)}
    config = getattr(package, f"{name}Config")(
        vocab_size=1 + max(places.values()), **sizes, **ids
    )
    cls = getattr(package, f"{name}ForConditionalGeneration", None)
    cls = cls or getattr(package, f"{name}MTModel")
    model = cls(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "embed_positions" in name and kind in SINUSOIDS:
                continue
            weight.add_(0.3 * torch.randn_like(weight))
    model.generation_config = package.GenerationConfig(**ids, **generation)
    model.save_pretrained(folder)
    return model, tokenizer


def _languages(tokenizer):
    # Of M2M100, they stand in no vocabulary.
    return getattr(tokenizer, "lang_token_to_id", {})


def outputs(model, tokenizer, kind, texts):
    """What `transformers` makes of texts: `(token_ids, texts)`."""
    changes = {}
    if kind in LANGUAGES:
        tokenizer.src_lang, target = LANGUAGES[kind]
        name = f"__{target}__" if kind == "m2m100" else target
        entry = "forced_bos_token_id"
        if kind == "mbart":
            entry = "decoder_start_token_id"
        changes[entry] = tokenizer.convert_tokens_to_ids(name)
    rows, found = [], []
    for text in texts:
        inputs = tokenizer([text], return_tensors="pt")
        inputs.pop("token_type_ids", None)
        with torch.no_grad():
            ids = model.generate(**inputs, **changes)
        rows.append(ids[0].tolist())
        found += tokenizer.batch_decode(ids, skip_special_tokens=True)
    return rows, found

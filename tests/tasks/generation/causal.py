"""Folders of tiny language models as Hugging Face publishes them."""

import random

import pytest

EMOJI = "👋🌍😀🎉é日"
WORDS = (
    "the cat sat on a mat and looked at the old house by the sea while "
    "rain fell over green hills near town"
).split()
CHAT = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{{ eos_token }}"
    "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
PROMPTS = [
    "the cat",
    "rain fell over green hills near",
    "  two  spaces ",
    "a",
    "Hello 👋 world",
    "naïve café",
    "line\nbreak\n\n",
    "the cat sat on a mat and looked at the old house",
    "日本語",
    "don't stop, now!",
]


def corpus(count=61):
    rng = random.Random(5)
    return [
        " ".join(rng.choices(WORDS, k=7)) + rng.choice(EMOJI)
        for _ in range(count)
    ]


def byte_level(tokenizers):
    """Byte-level BPE, so that most emoji are several tokens."""
    made = tokenizers.Tokenizer(tokenizers.models.BPE())
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(
        add_prefix_space=False
    )
    made.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=307,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(corpus(), trainer)
    return made, {"bos": "<|endoftext|>", "eos": "<|endoftext|>"}


def unigram(tokenizers):
    """Unigram as SentencePiece has it, with bytes for unknown characters."""
    pieces = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0)]
    pieces += [(f"<0x{n:02X}>", -9.0) for n in range(256)]
    pieces += [("▁" + word, -4.0) for word in sorted(set(WORDS))]
    pieces += [(letter, -6.0) for letter in "▁abcdefghijklmnopqrstuvwxyz.,'"]
    made = tokenizers.Tokenizer(
        tokenizers.models.Unigram(pieces, unk_id=0, byte_fallback=True)
    )
    normalizers = tokenizers.normalizers
    made.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    decoders = tokenizers.decoders
    made.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    made.add_special_tokens(["<unk>", "<s>", "</s>"])
    made.post_processor = tokenizers.processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    return made, {"bos": "<s>", "eos": "</s>", "unk": "<unk>"}


def write(folder, kind, **generation):
    """Writes a model with random weights, its tokenizer and its settings."""
    torch = pytest.importorskip("torch", reason="the oracle")
    transformers = pytest.importorskip("transformers", reason="the oracle")
    tokenizers = pytest.importorskip("tokenizers")
    made, tokens = (byte_level if kind == "gpt2" else unigram)(tokenizers)
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made,
        chat_template=CHAT,
        **{f"{role}_token": token for role, token in tokens.items()},
    )
    wrapped.save_pretrained(folder)
    ids = {
        "bos_token_id": wrapped.bos_token_id,
        "eos_token_id": wrapped.eos_token_id,
    }
    if kind == "gpt2":
        config = transformers.GPT2Config(
            vocab_size=len(wrapped),
            n_positions=71,
            n_embd=22,
            n_layer=2,
            n_head=2,
            **ids,
        )
    else:
        config = transformers.LlamaConfig(
            vocab_size=len(wrapped) + 3,
            hidden_size=20,
            intermediate_size=29,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=1,
            max_position_embeddings=71,
            **ids,
        )
    torch.manual_seed(7)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    for parameter in model.parameters():
        # As initialized, all tokens would be about equally probable.
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.5)
    model.generation_config.pad_token_id = wrapped.eos_token_id
    for name, value in generation.items():
        setattr(model.generation_config, name, value)
    model.save_pretrained(folder)
    return folder


def pipeline(folder):
    """The text-generation pipeline of `transformers`."""
    import transformers

    return transformers.pipeline("text-generation", str(folder), device="cpu")

"""The engine of CTranslate2 finds the hypotheses that our search does."""

import json

import numpy as np
import pytest

from keras_attention import (
    CausalLM,
    EncoderDecoder,
    LearnedEncoding,
    MultiHeadAttention,
    ParallelResidual,
    RecurrentEncoderDecoder,
    RotaryEmbedding,
    T5RelativeBias,
    TokenEmbedding,
    TransformerDecoder,
    TransformerEncoder,
    export,
)
from keras_attention.generation import Generator
from tests.tasks import tiny
from tests.tools import near_by_size, to_numpy
from tests.zoo import cases

engine = pytest.importorskip("ctranslate2", reason="the engine")

SIZE, NEW = 37, 14
UNKNOWN, START, END, LANGUAGE = 0, 4, 3, 7
TOKENS = [f"t{number}" for number in range(SIZE)]
SPECIAL = {
    "start_token": TOKENS[START],
    "end_token": TOKENS[END],
    "unknown_token": TOKENS[UNKNOWN],
}


def vary(model, rng):
    for weight in model.weights:
        drawn = rng.normal(0, 0.35, weight.shape)
        weight.assign(drawn + (weight.name in ("gamma", "scale")))
    return model


def pair(cross_attention="multi_head", share=True, **parts):
    encoder = TransformerEncoder(SIZE, 2, 24, 4, intermediate_dim=31, **parts)
    own = {"embedding": encoder.embedding} if share else {}
    decoder = TransformerDecoder(
        SIZE,
        1,
        24,
        4,
        intermediate_dim=29,
        cross_attention=cross_attention,
        **{"tie_embeddings": share, **parts, **own},
    )
    return EncoderDecoder(encoder, decoder)


def language_model(**parts):
    return CausalLM(TransformerDecoder(SIZE, 2, 24, 4, **parts))


def ours(model, prompt, num_beams, settings, padding_id, *source):
    """Lists of `(tokens, score)`, the best first, for each row."""
    generator = Generator(
        model,
        max_length=prompt.shape[1] + NEW,
        end_id=END,
        padding_id=padding_id,
        strategy="beam",
        settings={
            "num_beams": num_beams,
            "early_stopping": True,
            "return_all_beams": True,
            **settings,
        },
        jit_compile=False,
    )
    lengths = np.full(len(prompt), prompt.shape[1])
    found = generator(prompt, *source, prompt_lengths=lengths)
    ids = to_numpy(found["token_ids"])[:, :, prompt.shape[1] :].tolist()
    rows = []
    for beams, scores in zip(ids, to_numpy(found["scores"]), strict=True):
        beams = [x[: x.index(END)] if END in x else x for x in beams]
        named = [[TOKENS[number] for number in row] for row in beams]
        rows.append([*zip(named, scores, strict=True)])
    return rows


def compare(found, expected):
    for row, other in zip(found, expected, strict=True):
        assert [tokens for tokens, _ in row] == [tokens for tokens, _ in other]
        scores = [[score for _, score in x] for x in (row, other)]
        np.testing.assert_allclose(*scores, rtol=1e-4, atol=1e-4)


def check_pair(model, rng, folder, num_beams, prefix=(), padding_id=0, **more):
    export.ctranslate2(model, TOKENS, folder, **SPECIAL)
    lengths = 7, 4, 9
    source = np.full((3, 9), padding_id)
    for row, length in zip(source, lengths, strict=True):
        row[:length] = rng.integers(8, SIZE, length)
    prompt = np.array([[START, *prefix]] * 3)
    # A prefix counts in their lengths; sums of log-probabilities agree.
    settings = {"length_penalty": 0.0 if prefix else 0.7}
    found = engine.Translator(str(folder)).translate_batch(
        [
            [TOKENS[number] for number in row[:length]]
            for row, length in zip(source, lengths, strict=True)
        ],
        target_prefix=[[TOKENS[x] for x in prefix]] * 3 if prefix else None,
        beam_size=num_beams,
        num_hypotheses=num_beams,
        max_decoding_length=NEW + len(prefix),
        min_decoding_length=0,
        return_scores=True,
        **settings,
    )
    theirs = [
        [
            (tokens[len(prefix) :], score)
            for tokens, score in zip(x.hypotheses, x.scores, strict=True)
        ]
        for x in found
    ]
    settings.update(more)
    expected = ours(model, prompt, num_beams, settings, padding_id, source)
    if prefix:  # where only the best is wanted, they stop at once
        theirs, expected = ([row[:1] for row in x] for x in (theirs, expected))
    compare(theirs, expected)


def check_decoder(model, rng, folder, num_beams, padding_id=0):
    export.ctranslate2(model, TOKENS, folder, **SPECIAL)
    prompt = rng.integers(8, SIZE, (3, 5))
    settings = {"length_penalty": 0.7}
    found = engine.Generator(str(folder)).generate_batch(
        [[TOKENS[number] for number in row] for row in prompt],
        beam_size=num_beams,
        num_hypotheses=num_beams,
        max_length=NEW,
        min_length=0,
        return_scores=True,
        include_prompt_in_result=False,
        **settings,
    )
    theirs = [[*zip(x.sequences, x.scores, strict=True)] for x in found]
    compare(theirs, ours(model, prompt, num_beams, settings, padding_id))


def attention(**options):
    return MultiHeadAttention(4, **options)


# The first of each are the default.
PAIRS = {
    "rms": {
        "normalization": "rms_norm",
        "position": "rotary",
        "feed_forward": "geglu",
        "attention": attention(num_kv_heads=2, use_bias=["query", "output"]),
        "cross_attention": attention(num_kv_heads=2),
    },
    "pre_norm": {},
    "post_norm": {"residual": "post_norm", "feed_forward": "relu"},
    "own_matrices": {"share": False, "feed_forward": "gelu_tanh"},
    "one_key_head": {
        "attention": attention(num_kv_heads=1),
        "cross_attention": attention(num_kv_heads=1),
        "feed_forward": "quick_gelu",
    },
    "head_dim": {
        "attention": attention(head_dim=5, scale=0.3),
        "cross_attention": attention(head_dim=5),
    },
    "interleaved": {"position": RotaryEmbedding(100.0, interleaved=True)},
    "some_features": {"position": RotaryEmbedding(fraction=0.67)},
    "longer": {
        "position": RotaryEmbedding(scaling={"type": "linear", "factor": 3.0})
    },
    "learned": {
        "position": LearnedEncoding(max_length=40, offset=2),
        "embedding_normalization": "layer_norm",
        "feed_forward": "swiglu",
    },
    "no_position": {"position": None, "feed_forward": "silu"},
    "t5": {"position": T5RelativeBias(8, 9)},
    "t5_of_blocks": {"position": T5RelativeBias(8, 9, shared=False)},
    "no_final_norm": {"final_normalization": False},
    "epsilon": {
        "normalization": {
            "class_name": "layer_norm",
            "config": {"epsilon": 0.05},
        }
    },
}
DECODERS = {
    "llama": {
        "position": "rotary",
        "normalization": "rms_norm",
        "feed_forward": "swiglu",
        "tie_embeddings": False,
        "attention": attention(num_kv_heads=2, qk_norm=True),
    },
    "learned": {"position": LearnedEncoding(max_length=40)},
    "sinusoids": {"residual": "post_norm"},
    "no_position": {"position": None},
    "alibi": {"position": "alibi"},
    "parallel": {"residual": "parallel", "position": "rotary"},
    "parallel_own_norms": {"residual": ParallelResidual(shared_norm=False)},
    "sandwich": {
        "residual": "sandwich_norm",
        "normalization": "rms_norm",
        "embedding": TokenEmbedding(
            SIZE, 24, logit_soft_cap=3.0, logit_scale=0.5, logit_bias=True
        ),
    },
    "factorised": {"embedding": TokenEmbedding(SIZE, 24, embedding_dim=10)},
}


def by_default(names, count=1):
    """The first with four beams, and the rest as well where all is run."""
    return [
        pytest.param(
            name,
            number,
            marks=() if place < count and number == 4 else pytest.mark.full,
        )
        for place, name in enumerate(names)
        for number in (1, 4)
    ]


@pytest.mark.parametrize(("name", "num_beams"), by_default(PAIRS))
def test_pairs(name, num_beams, rng, tmp_path):
    model = vary(pair(**PAIRS[name]), rng)
    check_pair(model, rng, tmp_path / "engine", num_beams)


def test_logits_of_a_decoder(rng, tmp_path):
    model = vary(language_model(**DECODERS["llama"]), rng)
    export.ctranslate2(model, TOKENS, tmp_path, **SPECIAL)
    ids = rng.integers(8, SIZE, (3, 5))
    found = engine.Generator(str(tmp_path)).forward_batch(
        [[TOKENS[number] for number in row] for row in ids]
    )
    near_by_size(np.array(found), to_numpy(model(ids)), 1e-5)


@pytest.mark.parametrize(("name", "num_beams"), by_default(DECODERS, 0))
def test_decoders(name, num_beams, rng, tmp_path):
    model = vary(language_model(**DECODERS[name]), rng)
    check_decoder(model, rng, tmp_path / "engine", num_beams)


FAMILIES = (
    "m2m_100 m2m_100_other marian marian_other pegasus pegasus_other bart "
    "bart_other mbart mbart_other t5 t5_later mt5 mt5_later"
).split()
OF_DECODERS = (
    "gpt2 gpt2_other opt opt_other llama mistral qwen2 qwen3 phi3"
).split()


def of_family(name, cls, rng, folder):
    """A model of a family's configuration, and its padding id."""
    case = cases.CASES[name]
    room = "max_position_embeddings", "n_positions"
    longer = {n: 40 for n in room if n in case.entries}
    entries = {"model_type": case.family, **case.entries, **longer}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(entries))
    model = vary(cls.from_preset(folder, load_weights=False), rng)
    return model, entries.get("pad_token_id") or 0


@pytest.mark.parametrize(("name", "num_beams"), by_default(FAMILIES, 0))
def test_families_of_pairs(name, num_beams, rng, tmp_path):
    model, padding_id = of_family(name, EncoderDecoder, rng, tmp_path / "them")
    prefix = (LANGUAGE,) if "m2m" in name else ()
    check_pair(model, rng, tmp_path / "engine", num_beams, prefix, padding_id)


@pytest.mark.full
@pytest.mark.parametrize(("name", "num_beams"), by_default(OF_DECODERS, 0))
def test_families_of_decoders(name, num_beams, rng, tmp_path):
    model, padding_id = of_family(name, CausalLM, rng, tmp_path / "them")
    check_decoder(model, rng, tmp_path / "engine", num_beams, padding_id)


LACKING = {
    "linear": (pair, {"attention": "linear"}, "attention MultiHeadAtt"),
    "softcap": (pair, {"attention": attention(logit_softcap=5.0)}, "softcap"),
    "residual": (pair, {"residual": "sandwich_norm"}, "residual PreNorm"),
    "alibi": (pair, {"position": "alibi"}, "position.*ALiBi.*encoder"),
    "activation": (pair, {"feed_forward": "elu"}, "activation.*elu"),
    "qk_norm": (pair, {"attention": attention(qk_norm=True)}, "qk_norm"),
    "cross_attention": (
        pair,
        {"attention": attention(num_kv_heads=2)},
        "cross_attention with num_heads_kv 2.*None of the decoder",
    ),
    "segments": (
        language_model,
        {"position": "transformer_xl", "segment_memory": 4},
        "segment_memory",
    ),
    "t5": (language_model, {"position": "t5_relative"}, "T5RelativeBias"),
    "epsilons": (
        language_model,
        {
            "normalization": "rms_norm",
            "attention": attention(
                qk_norm={"class_name": "rms_norm", "config": {"epsilon": 1e-3}}
            ),
        },
        "one epsilon.*1e-06, 0.001",
    ),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.full if place > 2 else ())
        for place, name in enumerate(LACKING)
    ],
)
def test_what_the_engine_lacks_is_named(name, tmp_path):
    make, parts, named = LACKING[name]
    model = make(**parts)
    folder = tmp_path / "engine"
    with pytest.raises(ValueError, match=named):
        export.ctranslate2(model, TOKENS, folder, **SPECIAL)
    assert not folder.exists()


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("llama_other", "llama3"),
        ("mistral_other", "SlidingWindowAttention"),
        ("smollm3", "LayerPositions"),
    ],
)
def test_what_the_engine_lacks_of_a_family_is_named(name, named, rng, tmp_path):
    model, _ = of_family(name, CausalLM, rng, tmp_path / "them")
    with pytest.raises(ValueError, match=named):
        export.ctranslate2(model, TOKENS, tmp_path / "engine", **SPECIAL)


def test_models_of_other_classes_are_refused(tmp_path):
    class Own(TransformerDecoder):
        """It might compute anything."""

    for model, named in (
        (RecurrentEncoderDecoder(SIZE, 1, 8), "RecurrentEncoderDecoder"),
        (CausalLM(Own(SIZE, 1, 8, 2)), "Own"),
    ):
        with pytest.raises(ValueError, match=f"Received: '?{named}"):
            export.ctranslate2(model, TOKENS, tmp_path / "engine", **SPECIAL)


@pytest.fixture(scope="module")
def small():
    decoder = TransformerDecoder(SIZE, 1, 8, 2)
    return CausalLM(decoder)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"quantization": "int9"}, "quantization.*'int9'.*int8"),
        ({"vocabulary": [*TOKENS, "more"]}, "38 tokens, more than .* 37"),
        ({"vocabulary": ["t0", "t0"]}, "'t0' twice"),
        ({"vocabulary": 5}, "tokenizer or a list"),
        ({"vocabulary": (TOKENS, TOKENS)}, "a pair"),
        ({"start_token": "t44"}, "start_token.*'t44'.*t4"),
        ({"end_token": None}, "end_token.*'</s>'"),
        ({"max_length": 0}, "max_length"),
        ({"add_source_end": True}, "no source. Received: add_source_end"),
        ({"model": None}, "model must be"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(arguments, named, small, tmp_path):
    given = {"model": small, "vocabulary": TOKENS, **SPECIAL, **arguments}
    given["model"] = given["model"] or small.decoder
    with pytest.raises(ValueError, match=named):
        export.ctranslate2(folder=tmp_path / "engine", **given)
    assert not (tmp_path / "engine").exists()


def test_a_folder_is_replaced_whole_or_kept(small, tmp_path):
    folder = tmp_path / "engine"
    sizes = []
    for quantization in (None, "int8"):
        # A vocabulary may be shorter than the matrix.
        export.ctranslate2(small, TOKENS[:9], folder, quantization, **SPECIAL)
        sizes.append((folder / "model.bin").stat().st_size)
    assert sizes[1] < sizes[0]
    tokens = json.loads((folder / "vocabulary.json").read_text())
    assert tokens[:9] == TOKENS[:9] and len({*tokens}) == SIZE
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(ValueError, match="something else"):
        export.ctranslate2(small, TOKENS, tmp_path / "other", **SPECIAL)


@pytest.mark.full
def test_the_model_of_a_task_with_its_tokenizers(tmp_path):
    task = tiny.task(num_beams=1)
    export.ctranslate2(
        task.model, (task.source_tokenizer, task.target_tokenizer), tmp_path
    )
    texts = tiny.sentences(7)
    pieces = task.source_tokenizer.vocabulary
    found = engine.Translator(str(tmp_path)).translate_batch(
        [
            [pieces[number] for number in row]
            for row in task.source_tokenizer.encode(texts)
        ],
        beam_size=1,
        max_decoding_length=task.settings["max_length"] - 1,
        min_decoding_length=0,
    )
    ids = [[pieces.index(x) for x in row.hypotheses[0]] for row in found]
    assert task.target_tokenizer.decode(ids) == task(texts)

"""A task as a folder of Hugging Face gives there what it gives here."""

import pytest

from keras_attention import (
    EncoderDecoder,
    TransformerDecoder,
    TransformerEncoder,
)
from keras_attention.runs.folder import finished_task
from keras_attention.tasks import TextToText
from tests.recipes import in_process
from tests.tasks import tiny

TEXTS = [
    text
    for text in tiny.sentences(20, seed=5) + tiny.AWKWARD
    # What has a meaning of its own there.
    if text.strip("\x00 ") and "<" not in text
]


def task(rng, residual, is_joint, num_beams):
    pieces = tiny.tokenizer()
    own = tiny.tokenizer(model_type="bpe")
    size = pieces.vocabulary_size
    encoder = TransformerEncoder(size, 2, 24, 4, residual=residual)
    shared = {"embedding": encoder.embedding} if is_joint else {}
    decoder = TransformerDecoder(
        size,
        1,
        24,
        4,
        residual=residual,
        cross_attention="multi_head",
        **shared,
    )
    model = EncoderDecoder(encoder, decoder)
    for weight in model.weights:
        drawn = rng.normal(0, 0.4, weight.shape)
        if weight.shape[0] == size:
            drawn[3] *= 2  # so that texts end
        weight.assign(drawn + (weight.name == "gamma"))
    return TextToText(
        model,
        pieces,
        pieces if is_joint else own,
        max_source_length=40,
        max_length=13,
        num_beams=num_beams,
        length_penalty=0.7,
        min_length=11,
        no_repeat_ngram_size=2,
    )


def outputs(folder, texts):
    """The ids that `transformers` gives, and the texts of its tokenizer."""
    package = pytest.importorskip("transformers", reason="the oracle")
    pytest.importorskip("torch", reason="the oracle")
    tokenizer = package.AutoTokenizer.from_pretrained(folder)
    assert isinstance(tokenizer, package.MarianTokenizer)
    model = package.AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    inputs = tokenizer(
        texts, padding=True, truncation=True, return_tensors="pt"
    )
    ids = model.generate(**inputs)
    decoded = tokenizer.batch_decode(ids, skip_special_tokens=True)
    return ids.numpy(), decoded


def until_end(row):
    # Behind it, they take a padding id of 0 for none.
    row = row.tolist()
    return row[: row.index(3)] if 3 in row else row


@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
@pytest.mark.parametrize(
    ("residual", "is_joint", "num_beams"),
    [
        ("pre_norm", True, 4),
        pytest.param("post_norm", False, 4, marks=pytest.mark.full),
        pytest.param("post_norm", True, 1, marks=pytest.mark.full),
        pytest.param("pre_norm", False, 1, marks=pytest.mark.full),
    ],
)
def test_transformers_writes_the_same(
    residual, is_joint, num_beams, rng, tmp_path
):
    ours = task(rng, residual, is_joint, num_beams)
    ours.to_huggingface(tmp_path / "written")
    ids, texts = outputs(tmp_path / "written", TEXTS)
    found, _ = ours.generate(TEXTS)
    assert [*map(until_end, found)] == [*map(until_end, ids)]
    # There an unknown character has no sign.
    for row, text, expected in zip(
        found, ours.decode(found), texts, strict=True
    ):
        assert 1 in row or text.strip() == expected


@pytest.mark.full
@pytest.mark.filterwarnings("ignore:Recommended. pip install sacremoses")
def test_a_trained_run_translates_in_transformers(tmp_path):
    result = in_process.run(
        "translation",
        "train",
        "--run",
        tmp_path / "run",
        "--epochs",
        "1",
        "--num-layers",
        "1",
        "--bleu-sentences",
        "0",
        "--show",
        "0",
    )
    assert result.returncode == 0, result.stderr
    trained = TextToText.load(
        finished_task(tmp_path / "run", in_process.load("translation").Train)
    )
    trained.to_huggingface(tmp_path / "written")
    from num2words import num2words

    sources = [num2words(number) for number in range(3, 5000, 97)]
    assert trained(sources) == outputs(tmp_path / "written", sources)[1]


def test_a_folder_of_something_else_is_kept(rng, tmp_path):
    ours = task(rng, "pre_norm", True, 1)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="something else"):
        ours.to_huggingface(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]

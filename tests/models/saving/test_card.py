"""Model cards: what they say, that it runs, and whose they are."""

import os
import subprocess
import sys

import pytest

from keras_attention import (
    CausalLM,
    EncoderDecoder,
    RecurrentEncoderDecoder,
    TransformerDecoder,
    TransformerEncoder,
)
from keras_attention.data import SentencePieceTokenizer
from keras_attention.models.saving.card import add_scores, is_ours, seal
from tests.tools import ROOT

SENTENCES = [f"{a} and {b}" for a in "abcdefgh" for b in "stuvwxyz"]


def encoder(**options):
    return TransformerEncoder(7, 1, 6, 3, **options)


def card_of(folder):
    return (folder / "README.md").read_text()


def front_matter(folder):
    hub = pytest.importorskip("huggingface_hub", reason="the oracle")
    return hub.ModelCard.load(folder / "README.md").data.to_dict()


def test_a_card_tells_what_is_known(tmp_path):
    model = encoder(attention="sliding_window", position="rotary")
    model.save_to_preset(
        tmp_path,
        training={"epochs": 3, "data": "one|two\nthree"},
        scores={"accuracy": 0.98765432, "odd: | name": 1e-7},
    )
    rows = card_of(tmp_path).splitlines()
    for row in (
        "| class | TransformerEncoder |",
        "| layers | 1 |",
        "| width | 6 |",
        "| heads | 3 |",
        "| attention | sliding_window |",
        "| position | rotary |",
        "| vocabulary | 7 |",
        f"| weights | {model.count_params():,} |",
        f"| bytes | {4 * model.count_params():,} |",
        "| dtype of the weights | float32 |",
        "| epochs | 3 |",
        "| data | one\\|two three |",
        "| accuracy | 0.987654 |",
        "| odd: \\| name | 1e-07 |",
    ):
        assert row in rows
    assert front_matter(tmp_path) == {
        "library_name": "keras",
        "tags": ["keras", "keras_attention"],
        "metrics": ["accuracy", "odd: | name"],
    }


@pytest.mark.full
def test_nothing_is_made_up(tmp_path):
    encoder().save_to_preset(tmp_path)
    assert "metrics" not in front_matter(tmp_path)
    assert "## Training" not in card_of(tmp_path)
    assert "## Scores" not in card_of(tmp_path)
    encoder().save_to_preset(tmp_path, training="By hand.\n")
    assert "## Training\n\nBy hand.\n" in card_of(tmp_path)


@pytest.mark.full
@pytest.mark.parametrize(
    "make",
    [
        lambda: EncoderDecoder(
            encoder(), TransformerDecoder(7, 1, 6, 3, cross_attention="luong")
        ),
        lambda: RecurrentEncoderDecoder(7, 1, 6, attention="additive"),
        lambda: CausalLM(TransformerDecoder(7, 2, 6, 3, position=None)),
    ],
)
def test_models_within_have_tables_of_their_own(tmp_path, make):
    model = make()
    model.save_to_preset(tmp_path)
    for name in ("encoder", "decoder"):
        if hasattr(model, name):
            side = type(getattr(model, name)).__name__
            assert f"| {name} | {side} |" in card_of(tmp_path)


@pytest.mark.full
def test_the_code_of_a_card_runs(tmp_path):
    tokenizer = SentencePieceTokenizer.train(SENTENCES, 23)
    encoder().save_to_preset(tmp_path / 'a "name"', tokenizer=tokenizer)
    card = card_of(tmp_path / 'a "name"')
    code = card.split("```python\n")[1].split("```")[0]
    check = "assert tokenizer.vocabulary_size == 23 and model.num_heads == 3"
    subprocess.run(
        [sys.executable, "-c", code + check],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )


def test_a_card_of_somebody_is_kept(tmp_path, capsys):
    path = tmp_path / "README.md"
    encoder().save_to_preset(tmp_path)
    ours = path.read_bytes()
    encoder().save_to_preset(tmp_path, training="More.")
    assert path.read_bytes() != ours and not capsys.readouterr().err
    path.write_bytes(theirs := ours + b"A word of mine.\n")
    encoder().save_to_preset(tmp_path, training="Even more.")
    add_scores(path, {"accuracy": 0.5})
    assert path.read_bytes() == theirs
    assert capsys.readouterr().err.count("edited and is kept") == 2
    path.write_bytes(ours)
    encoder().save_to_preset(tmp_path, training="Even more.")
    assert "Even more." in card_of(tmp_path)


def test_only_a_card_without_an_edit_is_ours():
    ours = seal("---\nlibrary_name: keras\n---\n\n# Model\n").encode()
    assert is_ours(ours)
    for theirs in (
        b"",
        b"# My model\n",
        b"---\n",
        b"\xff\xfe",
        ours.replace(b"\n", b"\r\n"),
        ours[:-1],
        ours + b"A word of mine.\n",
        ours.replace(b"library_name: keras", b"license: mit"),
    ):
        assert not is_ours(theirs)


@pytest.mark.parametrize("training", [None, "A\n\n## Scores\n\ntext"])
def test_scores_are_added_to_a_card(tmp_path, training):
    encoder().save_to_preset(tmp_path / "once", training=training)
    path = tmp_path / "once/README.md"
    add_scores(path, {"BLEU (test)": 3, "a | b": 1.5})
    add_scores(path, {"BLEU (test)": 4.25, "chrF": 7})
    scores = {"BLEU (test)": 4.25, "a | b": 1.5, "chrF": 7}
    (tmp_path / "once").rename(tmp_path / "added")
    encoder().save_to_preset(
        tmp_path / "once", training=training, scores=scores
    )
    assert card_of(tmp_path / "added") == card_of(tmp_path / "once")
    add_scores(tmp_path / "none.md", scores)
    assert not (tmp_path / "none.md").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"training": 3}, "`training` must be a text or a dictionary"),
        ({"scores": [3]}, "`scores` must be a dictionary"),
        ({"scores": {"accuracy": "good"}}, "`scores` must be a dictionary"),
        ({"scores": {"accuracy": float("nan")}}, "`scores` must be"),
        ({"scores": {3: 0.5}}, "`scores` must be"),
    ],
)
def test_what_no_card_can_tell_is_refused(tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        encoder().save_to_preset(tmp_path / "preset", **arguments)
    assert not list((tmp_path / "preset").iterdir())

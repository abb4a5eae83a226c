"""Masks are filled in as by the pipeline of transformers."""

import pytest

from keras_attention import MaskedLM, TransformerEncoder, tasks
from keras_attention.tasks import MaskedText
from tests.tasks import published_texts, tiny
from tests.tools import near

TEXTS = [
    "the cat [MASK] on",
    "<mask>",
    "größer Ça <mask> .",
    "ka <mask> to [MASK] mi",
    "[MASK] 你好 😀",
    "the<mask>cat",
    "  THE [MASK]  ",
    "don't [MASK]!",
    "the cat ka to mi sen lo pa vel dor [MASK] in the cat",
    "[MASK][MASK]",
]


@pytest.fixture(
    scope="module",
    params=["bert", pytest.param("roberta", marks=pytest.mark.full)],
)
def published(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published") / request.param
    made = published_texts.make(folder, "ForMaskedLM", request.param)
    pipeline = published_texts.pipeline("fill-mask", *made, top_k=4)
    return folder, made[1], pipeline


def check(found, expected):
    """Compares the dictionaries for the masks of one text."""
    if isinstance(found[0], dict):
        assert [x["text"] for x in found] == [x["sequence"] for x in expected]
        found, expected = [found], [expected]
    for ours, theirs in zip(found, expected, strict=True):
        for name, other in (("token_id", "token"), ("token", "token_str")):
            assert [x[name] for x in ours] == [x[other] for x in theirs]
        near([x["score"] for x in ours], [x["score"] for x in theirs])


def test_masks_are_filled_in_as_by_the_pipeline(published):
    folder, tokenizer, pipeline = published
    task = MaskedText.from_preset(folder, top_k=4, batch_size=3)
    for text, found in zip(TEXTS, task(TEXTS), strict=True):
        for mask in ("[MASK]", "<mask>"):
            text = text.replace(mask, tokenizer.mask_token)
        check(found, pipeline(text))
    targets = tokenizer.convert_ids_to_tokens([50, 61, 77])
    text = f"the {tokenizer.mask_token} cat"
    check(task(text, targets=targets), pipeline(text, targets=targets))
    one = task(text, targets=targets[0])
    assert [x["token_id"] for x in one] == [50]
    with pytest.raises(ValueError, match="targets must be .* Received: 3"):
        task(text, targets=[3])


def test_other_masks_stay_in_the_text(published):
    folder, tokenizer, _ = published
    task = MaskedText.from_preset(folder, top_k=1)
    ((first,), (second,)) = task("A <mask> B [MASK].")
    mask = tokenizer.mask_token
    assert first["text"] == f"A {first['token'].strip()} B {mask}."
    assert second["text"] == f"A {mask} B {second['token'].strip()}."


@pytest.mark.full
def test_a_saved_task_fills_in_the_same(published, tmp_path):
    folder, *_ = published
    task = MaskedText.from_preset(folder, top_k=2)
    task.save(tmp_path / "task")
    loaded = tasks.load(tmp_path / "task")
    assert repr(loaded) == repr(task)
    for ours, theirs in zip(loaded(TEXTS[0]), task(TEXTS[0]), strict=True):
        assert ours["text"] == theirs["text"]
    with pytest.raises(ValueError, match="must have the mask .* at index 1"):
        task([TEXTS[0], "no mask"])
    with pytest.raises(ValueError, match="single tokens.*'zz qq'"):
        task("[MASK]", targets=["zz qq"])
    with pytest.warns(UserWarning, match="Cut 1 of 1"):
        with pytest.raises(ValueError, match="within max_length="):
            task("the " * 90 + "[MASK]")


def test_a_tokenizer_without_a_mask_is_refused():
    model = MaskedLM(TransformerEncoder(43, 1, 12, 3))
    with pytest.raises(ValueError, match="needs an mask_id"):
        MaskedText(model, tiny.tokenizer())

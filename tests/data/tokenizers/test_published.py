"""Tokenizers of published folders, beside those of transformers."""

import json
import shutil

import pytest

from keras_attention import TransformerEncoder
from keras_attention.data import SentencePieceTokenizer, load_tokenizer
from tests.data.tokenizers import folders

QUICK = ["bert", "roberta", "t5", "marian"]
KINDS = [
    pytest.param(kind, marks=() if kind in QUICK else pytest.mark.full)
    for kind in folders.MAKERS
]
PAIR = "the cat, größer"


@pytest.fixture(scope="module")
def folder_of(tmp_path_factory):
    made = {}

    def make(kind):
        if kind not in made:
            place = tmp_path_factory.mktemp(kind) / "made"
            made[kind] = folders.MAKERS[kind](place)
        return made[kind]

    return make


def oracle(folder):
    pytest.importorskip("sentencepiece", reason="transformers needs it")
    transformers = pytest.importorskip("transformers", reason="the oracle")
    return transformers.AutoTokenizer.from_pretrained(folder)


def assert_equal(ours, theirs, texts):
    for text, row in zip(texts, ours.encode(texts), strict=True):
        options = {"truncation": False, "padding": False, "verbose": False}
        plain = theirs(text, add_special_tokens=False, **options)
        assert row == plain["input_ids"], text
        whole, segments = ours.with_special_tokens(row)
        assert whole == theirs(text, **options)["input_ids"], text
        (second,) = ours.encode([PAIR])
        whole, segments = ours.with_special_tokens(row, second)
        expected = theirs(text, PAIR, **options)
        assert whole == expected["input_ids"], text
        assert segments == expected.get("token_type_ids", segments)
        shown = theirs.decode(whole, skip_special_tokens=True)
        assert ours.decode([whole]) == [shown], text


@pytest.mark.parametrize("kind", KINDS)
def test_ids_and_text_are_those_of_transformers(kind, folder_of):
    theirs, ours = oracle(folder_of(kind)), load_tokenizer(folder_of(kind))
    assert_equal(ours, theirs, [*folders.AWKWARD, folders.LONG])
    for role in ("bos", "eos", "unk", "sep", "pad", "cls", "mask"):
        expected = getattr(theirs, f"{role}_token_id", None)
        assert ours.special_ids.get(role) == expected, role


@pytest.mark.parametrize("kind", KINDS)
def test_folders_go_both_ways(kind, folder_of, tmp_path):
    theirs = oracle(folder_of(kind))
    theirs.save_pretrained(tmp_path / "theirs")
    ours = load_tokenizer(tmp_path / "theirs")
    assert_equal(ours, theirs, folders.AWKWARD)
    ours.save(tmp_path / "ours")
    assert_equal(ours, oracle(tmp_path / "ours"), folders.AWKWARD)
    again = load_tokenizer(tmp_path / "ours")
    assert again.digest == ours.digest
    assert again.vocabulary_size == ours.vocabulary_size


@pytest.mark.parametrize("kind", KINDS)
def test_spans_are_those_that_the_ids_come_from(kind, folder_of):
    theirs, ours = oracle(folder_of(kind)), load_tokenizer(folder_of(kind))
    text = "  größer cats\u0301 안녕 </s>the ☃☃ kamito"
    (places,) = ours.offsets([text])
    if theirs.is_fast:
        found = theirs(
            text,
            add_special_tokens=False,
            return_offsets_mapping=True,
            truncation=False,
            padding=False,
        )
        assert places == found["offset_mapping"]
        return
    (ids,) = ours.encode([text])
    for piece, (first, behind) in zip(
        ours.pieces([ids])[0], places, strict=True
    ):
        # What is unknown shows as such, and accents are composed.
        if piece.isascii() and piece[0] != "<":
            assert piece.strip() == text[first:behind].strip()


@pytest.mark.parametrize("side", ["source", "target"])
def test_marian_has_a_tokenizer_for_each_side(side, folder_of):
    theirs = oracle(folder_of("marian"))
    ours = load_tokenizer(folder_of("marian"), target=side == "target")
    for text in folders.AWKWARD:
        name = "text_target" if side == "target" else "text"
        expected = theirs(**{name: text})["input_ids"]
        assert ours.with_special_tokens(*ours.encode([text]))[0] == expected


@pytest.mark.full
@pytest.mark.parametrize(
    "kind", ["mbart", "mbart50", "m2m100", "nllb", "nllb_legacy"]
)
def test_a_source_language_changes_the_template(kind, folder_of):
    theirs, ours = oracle(folder_of(kind)), load_tokenizer(folder_of(kind))
    name = {"mbart": "de_DE", "mbart50": "de_DE", "m2m100": "de"}.get(
        kind, "deu_Latn"
    )
    theirs.src_lang = name
    ours = ours.for_language(name)
    (ids,) = ours.encode(["the cat"])
    assert ours.with_special_tokens(ids)[0] == theirs("the cat")["input_ids"]
    assert ours.language_id(name) in theirs("the cat")["input_ids"]
    if kind == "m2m100":
        # "en" is a piece of text too.
        assert ours.language_id("en") == theirs.lang_token_to_id["__en__"]
    with pytest.raises(ValueError, match="no language 'de_XY'"):
        ours.for_language("de_XY")


@pytest.mark.full
def test_nllb_is_read_from_its_sentencepiece_model_alone(tmp_path):
    library = pytest.importorskip("sentencepiece", reason="the oracle")
    proto = folders.spm(300, model_type="bpe")
    files = {"sentencepiece.bpe.model": proto}
    folders.write(tmp_path, files, tokenizer_class="NllbTokenizer")
    ours = load_tokenizer(tmp_path)
    model = library.SentencePieceProcessor(model_proto=proto)
    for text in ["the cat", " größer Ça", "ka  to mi 안녕", "kamitorusen" * 9]:
        # As fairseq has it: three pieces are called otherwise, and one more.
        expected = [n + 1 if n else 3 for n in model.encode(text)]
        (found,) = ours.encode([text])
        assert found == expected
        assert ours.decode([found]) == [model.decode(model.encode(text))]
    first = len(folders.pieces_of(proto)) + 1
    assert ours.language_id("ace_Arab") == first
    assert ours.language_id("zul_Latn") == first + 201
    assert ours.mask_id == first + 202
    (ids,) = ours.encode(["ka"])
    german = ours.for_language("deu_Latn")
    whole = [ours.language_id("deu_Latn"), *ids, ours.end_id]
    assert german.with_special_tokens(ids)[0] == whole


def test_a_folder_without_a_tokenizer_is_named(tmp_path):
    with pytest.raises(ValueError, match="It has nothing"):
        load_tokenizer(tmp_path)
    (tmp_path / "vocab.bin").write_bytes(b"x")
    with pytest.raises(ValueError, match="vocab.bin is a pickle"):
        load_tokenizer(tmp_path)
    with pytest.raises(ValueError, match="no folder"):
        load_tokenizer(tmp_path / "nowhere")


def test_an_unknown_class_needs_a_tokenizer_json(folder_of, tmp_path):
    shutil.copytree(folder_of("t5"), tmp_path / "t5")
    path = tmp_path / "t5" / "tokenizer_config.json"
    path.write_text(json.dumps({"tokenizer_class": "T6Tokenizer"}))
    with pytest.raises(ValueError, match="Did you mean 'T5Tokenizer'"):
        load_tokenizer(tmp_path / "t5")


@pytest.mark.parametrize("name", ["spiece.model", "tokenizer.json"])
def test_damaged_files_are_named(name, folder_of, tmp_path):
    shutil.copytree(folder_of("t5"), tmp_path / "t5")
    content = folder_of("t5").joinpath("spiece.model").read_bytes()[:500]
    (tmp_path / "t5" / name).write_bytes(content)
    with pytest.raises(ValueError, match=name):
        load_tokenizer(tmp_path / "t5")
    (tmp_path / "t5" / "tokenizer.json").write_text('{"model": {"type": "X"}}')
    with pytest.raises(ValueError, match="tokenizers library refuses"):
        load_tokenizer(tmp_path / "t5")


def test_ids_beyond_the_vocabulary_are_refused(folder_of):
    for kind in ("bert", "marian"):
        ours = load_tokenizer(folder_of(kind))
        with pytest.raises(ValueError, match="must be between 0 and"):
            ours.decode([[ours.vocabulary_size]])
        assert ours.pieces([[ours.vocabulary_size]]) == [["⁇"]]


def test_a_preset_holds_either_kind_of_tokenizer(tmp_path, folder_of):
    published = load_tokenizer(folder_of("bert"))
    own = SentencePieceTokenizer.train(folders.texts(), 180)
    model = TransformerEncoder(5000, 1, 6, 3)
    # Each in place of the one before.
    for tokenizer in (published, own, published):
        model.save_to_preset(tmp_path, tokenizer=tokenizer)
        found = load_tokenizer(tmp_path)
        assert type(found) is type(tokenizer)
        assert found.encode(folders.AWKWARD) == tokenizer.encode(
            folders.AWKWARD
        )

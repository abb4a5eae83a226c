"""Published encoders: their sizes, and what they refuse."""

import h5py
import numpy as np
import pytest

import keras_attention
from keras_attention import Classifier, TransformerEncoder, zoo
from keras_attention.models.published import reading
from keras_attention.zoo.core import checkpoint, safetensors
from tests.tools import near, near_by_size, to_numpy
from tests.zoo import cases, oracle

# In thousands, without the pooler, as their papers and files have them.
COUNTS = {
    "camembert_base": 110_031,
    "deit_base": 85_800,
    "deit_small": 21_666,
    "deit_tiny": 5_525,
    "distilbert_base": 66_363,
    "distilbert_base_multilingual": 134_734,
    "longformer_base": 148_069,
    "longformer_large": 433_551,
    "phobert_base": 134_408,
    "roberta_base": 124_055,
    "roberta_large": 354_310,
    "vit_base": 85_799,
    "vit_huge": 630_765,
    "vit_large": 303_302,
    "xlm_roberta_base": 277_453,
    "xlm_roberta_large": 558_841,
}


@pytest.mark.full
@pytest.mark.parametrize("name", COUNTS)
def test_sizes_have_as_many_weights_as_published(name):
    found = reading.count(TransformerEncoder, name)
    assert round(found / 1000) == COUNTS[name]


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("roberta", {"is_decoder": True}),
        ("roberta", {"add_cross_attention": True}),
        ("roberta", {"position_embedding_type": "relative_key"}),
        ("xlm-roberta", {"hidden_act": "sine"}),
        ("vit", {"image_size": 225}),
        ("deit", {"image_size": [224, 230]}),
        ("longformer", {"attention_window": 7}),
        ("longformer", {"attention_window": [4, 4]}),
    ],
)
def test_what_cannot_be_honoured_is_refused(name, entries):
    family = zoo.find_family(name)
    config = family.configuration("config.json", entries)
    with pytest.raises(ValueError, match=f"has {min(entries)}="):
        family.parts(config)


@pytest.mark.few
@pytest.mark.parametrize("name", ["vit", "deit"])
@pytest.mark.parametrize("kind", ["TransformerEncoder", "Classifier"])
@pytest.mark.parametrize("size", [[20, 25], 10])
def test_positions_are_interpolated(name, kind, size, rng, tmp_path):
    theirs = oracle.make(cases.CASES[name], kind)
    theirs.save_pretrained(tmp_path / "theirs")
    cls = getattr(keras_attention, kind)
    ours = cls.from_preset(tmp_path / "theirs", image_size=size)
    shape = size if isinstance(size, list) else [size, size]
    images = rng.normal(size=(2, *shape, 3)).astype("float32")
    expected = oracle.call_image(theirs, images, interpolate_pos_encoding=True)
    near_by_size(ours(images), expected, 1e-4)
    ours.to_huggingface(tmp_path / "ours")
    again = type(theirs).from_pretrained(tmp_path / "ours").eval()
    near_by_size(oracle.call_image(again, images), expected, 1e-4)
    near(cls.from_preset(tmp_path / "ours")(images), ours(images))
    with pytest.raises(ValueError, match="Images must have"):
        ours(images[:, :, :5])


@pytest.mark.full
def test_fresh_sizes_take_images_of_another_size():
    model = Classifier.from_preset(
        "deit_tiny", load_weights=False, image_size=32
    )
    assert model.published["image_size"] == 32
    assert model.encoder.position.max_length == 6
    assert model(np.zeros((1, 32, 32, 3), "float32")).shape == (1, 2)


@pytest.mark.parametrize("size", ["large", 0, [32, 32, 3], None])
def test_sizes_of_no_image_are_refused(size):
    with pytest.raises(ValueError, match="image_size must be"):
        Classifier.from_preset("vit_base", load_weights=False, image_size=size)


def test_both_tokens_of_a_teacher_count(rng, tmp_path):
    theirs = oracle.make(cases.CASES["deit_other"], "Classifier")
    theirs.save_pretrained(tmp_path)
    model = Classifier.from_preset(tmp_path)
    images = rng.normal(size=(2, 14, 10, 2)).astype("float32")
    x = to_numpy(model.encoder(images))
    heads = model.dense, model.distillation_dense
    parts = [to_numpy(head(x[:, i])) for i, head in enumerate(heads)]
    near(model(images), (parts[0] + parts[1]) / 2)
    encoder = TransformerEncoder.from_preset(tmp_path)
    near(encoder(images), x)


def test_convolutions_of_tensorflow_are_read(rng, tmp_path):
    theirs = oracle.make(cases.CASES["vit_other"], "Classifier")
    theirs.save_pretrained(tmp_path)
    tensors = safetensors.list_tensors(tmp_path / checkpoint.WEIGHTS)
    images = rng.normal(size=(2, 14, 10, 2)).astype("float32")
    expected = to_numpy(Classifier.from_preset(tmp_path)(images))
    with h5py.File(tmp_path / checkpoint.TF_WEIGHTS, "w") as file:
        for name, stored in tensors.items():
            tensor = stored.load()
            *parts, last = name.split(".")
            if last == "weight" and tensor.ndim == 4:
                last, tensor = "kernel", tensor.transpose(2, 3, 1, 0)
            elif last == "weight":
                last = "kernel" if tensor.ndim == 2 else "gamma"
                tensor = tensor.T
            place = "/".join([parts[0], "tf_vi_t", *parts, last])
            file[f"{place}:0"] = tensor
    (tmp_path / checkpoint.WEIGHTS).unlink()
    near(Classifier.from_preset(tmp_path)(images), expected)


@pytest.mark.parametrize("name", ["bert", "roberta", "distilbert", "vit"])
def test_a_classifier_of_other_classes(name, rng, tmp_path, capsys):
    case = cases.CASES[name]
    theirs = oracle.make(case, "Classifier")
    theirs.save_pretrained(tmp_path / "theirs")
    capsys.readouterr()
    ours = Classifier.from_preset(tmp_path / "theirs", num_classes=5)
    assert ours.num_classes == 5
    error = capsys.readouterr().err
    assert "classifier" in error and error.count("\n") == 1
    ours.to_huggingface(tmp_path / "ours")
    again = type(theirs).from_pretrained(tmp_path / "ours").eval()
    assert again.config.num_labels == 5
    expected, found = _of_both(case, again, ours, rng)
    near_by_size(found, expected, 1e-4)


@pytest.mark.parametrize(
    "name",
    [
        "bert",
        *(
            pytest.param(name, marks=pytest.mark.full)
            for name in ("roberta", "distilbert", "longformer", "vit")
        ),
    ],
)
def test_a_head_of_one_output_is_read_and_written(name, rng, tmp_path):
    case = cases.CASES[name]
    entries = {**case.entries, "num_labels": 1, "problem_type": "regression"}
    case = case._replace(entries=entries)
    theirs = oracle.make(case, "Classifier")
    theirs.save_pretrained(tmp_path / "theirs")
    ours = Classifier.from_preset(tmp_path / "theirs")
    ours.to_huggingface(tmp_path / "ours")
    again = type(theirs).from_pretrained(tmp_path / "ours").eval()
    assert again.config.problem_type == "regression"
    for model in (theirs, again):
        expected, found = _of_both(case, model, ours, rng)
        assert found.shape == (3, 1)
        near_by_size(found, expected, 1e-4)
    # Classes are no regression, nor the other way round.
    other = Classifier.from_preset(tmp_path / "theirs", num_classes=4)
    other.to_huggingface(tmp_path / "other")
    again = type(theirs).from_pretrained(tmp_path / "other")
    assert again.config.problem_type is None
    assert again.config.num_labels == 4


def test_names_of_classes_come_and_go_with_a_model(tmp_path):
    names = {0: "bad", 1: "so-so", 2: "good"}
    entries = {"id2label": names, "label2id": {x: i for i, x in names.items()}}
    case = cases.CASES["bert"]
    case = case._replace(entries={**case.entries, **entries})
    theirs = oracle.make(case, "Classifier")
    theirs.save_pretrained(tmp_path / "theirs")

    def written(model):
        model.to_huggingface(tmp_path / "ours")
        config = type(theirs).from_pretrained(tmp_path / "ours").config
        places = {name: i for i, name in config.id2label.items()}
        assert config.label2id == places
        return list(config.id2label.values())

    ours = Classifier.from_preset(tmp_path / "theirs")
    assert ours.labels == ["bad", "so-so", "good"] == written(ours)
    ours.labels = ["0", "1", "2"]
    ours.save_to_preset(tmp_path / "preset")
    kept = Classifier.from_preset(tmp_path / "preset")
    assert kept.labels == ["0", "1", "2"] == written(kept)
    kept.labels = None
    assert written(kept) == ["LABEL_0", "LABEL_1", "LABEL_2"]
    with pytest.raises(ValueError, match="list of 3 strings"):
        kept.labels = ["a", "b"]
    assert kept.labels is None
    # Two other classes, and the same by their number alone.
    other = Classifier.from_preset(tmp_path / "theirs", labels=["no", "yes"])
    assert other.num_classes == 2 and written(other) == ["no", "yes"]
    other = Classifier.from_preset(tmp_path / "theirs", num_classes=2)
    assert other.labels is None and written(other) == ["LABEL_0", "LABEL_1"]
    with pytest.raises(ValueError, match="list of 4 strings"):
        Classifier.from_preset(
            tmp_path / "theirs", num_classes=4, labels=["a", "b"]
        )


@pytest.mark.parametrize(
    "given", [None, {}, {"1": "a", "2": "b"}, {"0": "a", "x": "b"}, ["a", "b"]]
)
def test_a_file_may_name_no_classes(given):
    family = zoo.find_family("bert")
    config = family.configuration("config.json", {"id2label": given})
    head = family.parts(config)["classifier"]
    assert head["labels"] is None and head["num_classes"] == 2


def _of_both(case, theirs, ours, rng):
    """The logits of a model of theirs and of ours, for the same inputs."""
    if case.image is not None:
        x = rng.normal(size=(3, *case.image)).astype("float32")
        return oracle.call_image(theirs, x), ours(x)
    padding_id = theirs.config.pad_token_id
    ids = case.ids(rng, padding_id)
    mask = ids != padding_id
    expected = oracle.call(theirs, ids, padding_mask=mask)
    return expected, ours({"token_ids": ids, "padding_mask": mask})

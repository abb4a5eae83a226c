"""Published models of images answer as the pipeline of transformers."""

import json

import numpy as np
import pytest

from keras_attention import tasks
from keras_attention.tasks import ImageClassifier
from tests.tasks.classification.classifiers import image_classifier, images
from tests.tools import near
from tests.zoo import oracle

LABELS = ["bad", "gut", "naïve"]
MEAN, DEVIATION = [0.4, 0.5, 0.6], [0.2, 0.3, 0.4]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    package = oracle.transformers()
    import torch

    folder = tmp_path_factory.mktemp("published") / "vit"
    torch.manual_seed(5)
    config = package.ViTConfig(
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=3,
        intermediate_size=30,
        image_size=[8, 12],
        patch_size=4,
        initializer_range=0.4,
        id2label=dict(enumerate(LABELS)),
        label2id={x: i for i, x in enumerate(LABELS)},
    )
    model = package.ViTForImageClassification(config).eval()
    model.save_pretrained(folder)
    settings = {"image_mean": MEAN, "image_std": DEVIATION}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder, model


@pytest.mark.full
def test_a_published_model_names_images(published, tmp_path):
    import torch

    folder, model = published
    task = ImageClassifier.from_preset(folder)
    given = np.random.default_rng(3).integers(0, 256, (5, 8, 12, 3), "uint8")
    pixels = (given / 255 - MEAN) / DEVIATION
    pixels = torch.tensor(pixels.transpose(0, 3, 1, 2), dtype=torch.float32)
    with torch.no_grad():
        expected = model(pixels).logits.softmax(-1).numpy()
    near(task.probabilities(given), expected, atol=1e-5)
    assert task(given) == [LABELS[i] for i in expected.argmax(-1)]
    task.save(tmp_path / "task")
    near(tasks.load(tmp_path / "task").probabilities(given), expected)
    (folder / "preprocessor_config.json").write_text("{}")
    with pytest.raises(ValueError, match="must have image_mean"):
        ImageClassifier.from_preset(folder)
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ValueError, match="is missing, which says how pixels"):
        ImageClassifier.from_preset(folder)


def test_channels_may_be_scaled_each_by_itself():
    task = image_classifier(scale=[2.0, 3.0], offset=[1, -1])
    given = images(3)
    near(task.inputs.scaled(given), given * [2, 3] + [1, -1])
    assert task.settings["offset"] == [1.0, -1.0]
    for wrong in ([1.0], [1.0, "x"], "x"):
        with pytest.raises(ValueError, match="or a list of 2, one for each"):
            image_classifier(scale=wrong)

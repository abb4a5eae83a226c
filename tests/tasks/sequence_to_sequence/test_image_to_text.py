"""What an `ImageToText` answers, against the model fed as a whole."""

import numpy as np
import pytest
from keras import ops

from keras_attention import ImageConvolutionEncoder, attention_maps
from keras_attention.tasks import ImageClassifier, ImageToText, load
from tests.tasks import tiny
from tests.tasks.classification.classifiers import image_classifier
from tests.tasks.sequence_to_sequence import seeing
from tests.tools import near


@pytest.fixture(scope="module")
def task():
    return seeing.image_task()


def scores_by_whole_passes(task, inputs, token_ids):
    """Log-probabilities of outputs over their length, in float64."""
    found = []
    for index, row in enumerate(token_ids):
        ends = np.flatnonzero(row[1:] == task.target_tokenizer.end_id)
        length = int(ends[0]) + 2 if len(ends) else len(row)
        one = {name: x[index : index + 1] for name, x in inputs.items()}
        one["target_ids"] = row[None, : length - 1]
        logits = task.model(
            {name: ops.convert_to_tensor(x) for name, x in one.items()}
        )
        logits = ops.convert_to_numpy(logits)[0].astype("float64")
        logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        taken = logits[np.arange(length - 1), row[1:length]]
        found.append(taken.sum() / (length - 1))
    return found


@pytest.mark.full
def test_scores_are_those_of_the_model_fed_as_a_whole(task):
    images = seeing.images(7)
    token_ids, scores = task.generate(images)
    inputs = {"source_ids": images / 7 - 0.5}
    expected = scores_by_whole_passes(task, inputs, token_ids)
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    texts = task(images)
    assert len(set(texts)) > 3
    assert task(images=images[4]) == texts[4]
    answers = task(images, return_scores=True)
    assert [answer["text"] for answer in answers] == texts
    np.testing.assert_allclose([x["score"] for x in answers], scores)
    assert task(images[:0]) == []


@pytest.mark.full
def test_a_saved_task_answers_the_same(task, tmp_path):
    task.save(tmp_path / "task")
    loaded = load(tmp_path / "task", num_beams=3)
    assert isinstance(loaded, ImageToText)
    assert loaded.settings == task.settings
    assert loaded(seeing.images(3)) == task(seeing.images(3))
    assert "image_shape=[4, 6, 2]" in repr(loaded)


@pytest.mark.full
@pytest.mark.parametrize("make", [seeing.image_task, image_classifier])
def test_image_files_are_read(make, tmp_path):
    from PIL import Image

    task = make((6, 4, 1))
    images = seeing.images(3, (6, 4, 1)).astype("uint8")
    paths = [tmp_path / f"{index}.png" for index in range(3)]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image[..., 0]).save(path)
    assert task(paths) == task(images)
    assert task(str(paths[1])) == task(images)[1]
    with pytest.raises(ValueError, match="at index 1"):
        task([paths[0], images[1]])
    Image.fromarray(np.zeros((5, 4), "uint8")).save(paths[0])
    with pytest.raises(ValueError, match="4x6 pixels.*has 4x5"):
        task(paths[0])


@pytest.mark.full
def test_a_network_of_convolutions_is_read(tmp_path):
    task = seeing.image_task((8, 8, 1), ImageConvolutionEncoder((3, 5)))
    images = seeing.images(3, (8, 8, 1))
    texts = task(images)
    task.save(tmp_path / "task")
    assert ImageToText.load(tmp_path / "task")(images) == texts


def test_what_does_not_fit_is_refused(task):
    with pytest.raises(ValueError, match=r"\(batch, 4, 6, 2\).*\(3, 4, 7, 2\)"):
        task(np.zeros((3, 4, 7, 2)))
    with pytest.raises(ValueError, match="must be an EncoderDecoder"):
        ImageToText(task.model.decoder, tiny.tokenizer(), image_shape=(4, 6, 2))
    with pytest.raises(ValueError, match="takes no images"):
        ImageToText(tiny.model(), tiny.tokenizer(), image_shape=(4, 6, 2))
    with pytest.raises(ValueError, match="image_shape must be"):
        seeing.ImageToText(task.model, tiny.tokenizer(), image_shape=4)
    with pytest.raises(ValueError, match="more than the model's"):
        ImageToText(task.model, tiny.tokenizer(47), image_shape=(4, 6, 2))
    with pytest.raises(ValueError, match="num_beams"):
        seeing.image_task(num_beams=0)
    with pytest.raises(ValueError, match="must be a Classifier"):
        ImageClassifier(task.model, ["a", "b"], image_shape=(4, 6, 2))


@pytest.mark.full
def test_attention_shows_which_patches_a_word_came_from(task):
    images = seeing.images(3)
    maps = attention_maps(task, images)
    name = "decoder/block_0/cross_attention"
    weights = maps[name]
    cells = [f"{row},{column}" for row in range(2) for column in range(3)]
    near(weights.sum(axis=-1), np.ones(weights.shape[:-1]))
    token_ids, _ = task.generate(images)
    for index, image in enumerate(images):
        assert maps.key_tokens[name][index] == cells
        written = [x for x in maps.query_tokens[name][index] if x]
        pieces = task.target_tokenizer.pieces([token_ids[index]])[0]
        assert written == pieces[1 : len(written) + 1]
        alone = attention_maps(task, image)[name]
        near(alone[0], weights[index, :, : alone.shape[2]])
    with pytest.raises(ValueError, match="an input at least"):
        attention_maps(task, images[:0])

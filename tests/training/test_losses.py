import keras
import numpy as np
import pytest

from keras_attention.training import LabelSmoothedCrossentropy

BATCH, LENGTH, VOCABULARY_SIZE = 3, 5, 11


@pytest.fixture
def case():
    generator = np.random.default_rng(2)
    labels = generator.integers(0, VOCABULARY_SIZE, (BATCH, LENGTH))
    logits = 3 * generator.normal(size=(BATCH, LENGTH, VOCABULARY_SIZE))
    weights = generator.integers(0, 2, (BATCH, LENGTH)).astype("float32")
    weights[0] = 1
    return labels, logits.astype("float32"), weights


def definition(labels, logits, smoothing):
    logits = logits.astype("float64")
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    target = np.full(logits.shape, smoothing / logits.shape[-1])
    for index in np.ndindex(labels.shape):
        target[(*index, labels[index])] += 1 - smoothing
    return -(target * log_p).sum(-1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_each_token_costs_what_the_definition_says(case, smoothing):
    labels, logits, weights = case
    loss = LabelSmoothedCrossentropy(smoothing, reduction="none")
    expected = definition(labels, logits, smoothing)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(loss(labels, logits)), expected, rtol=1e-5
    )
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(loss(labels, logits, weights)),
        expected * weights,
        rtol=1e-5,
    )


def test_the_mean_is_over_the_tokens_and_not_the_padding(case):
    labels, logits, weights = case
    ours = LabelSmoothedCrossentropy(0.1)(labels, logits, weights)
    expected = np.average(definition(labels, logits, 0.1), weights=weights)
    assert float(ours) == pytest.approx(expected, rel=1e-5)

    logits[weights == 0] = 7e4
    again = LabelSmoothedCrossentropy(0.1)(labels, logits, weights)
    assert float(again) == pytest.approx(expected, rel=1e-5)


def test_a_batch_of_padding_costs_nothing(case):
    labels, logits, weights = case
    loss = LabelSmoothedCrossentropy()(labels, logits, 0 * weights)
    assert float(loss) == 0


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_value_and_gradient_agree_with_pytorch(case, smoothing):
    torch = pytest.importorskip("torch", reason="needs the oracles extra")
    labels, logits, weights = case
    theirs = torch.tensor(logits, requires_grad=True)
    expected = torch.nn.functional.cross_entropy(
        theirs.flatten(0, 1),
        torch.where(
            torch.tensor(weights).bool(), torch.tensor(labels), -1
        ).flatten(),
        ignore_index=-1,
        label_smoothing=smoothing,
    )
    expected.backward()
    ours = LabelSmoothedCrossentropy(smoothing)(labels, logits, weights)
    assert float(ours) == pytest.approx(expected.item(), rel=1e-5)

    # A layer whose kernel is the logits: one step of rate 1 subtracts the
    # gradient. It runs as `fit` does, compiled where the backend compiles.
    flat = logits.reshape(1, -1)
    model = keras.Sequential(
        [
            keras.Input((1,)),
            keras.layers.Dense(flat.size, use_bias=False),
            keras.layers.Reshape(logits.shape),
            keras.layers.Lambda(lambda x: x[0]),
        ]
    )
    model.set_weights([flat])
    model.compile(
        keras.optimizers.SGD(1.0), LabelSmoothedCrossentropy(smoothing)
    )
    model.train_on_batch(np.ones((1, 1)), labels, weights)
    gradient = logits - model.get_weights()[0].reshape(logits.shape)
    np.testing.assert_allclose(gradient, theirs.grad.numpy(), atol=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_logits_are_summed_in_float32(case, dtype):
    labels, logits, _ = case
    half = keras.ops.cast(200 * logits, dtype)
    rounded = keras.ops.convert_to_numpy(keras.ops.cast(half, "float32"))
    loss = LabelSmoothedCrossentropy(0.1)(labels, half)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    expected = keras.ops.mean(
        keras.losses.categorical_crossentropy(
            keras.ops.one_hot(labels, VOCABULARY_SIZE),
            rounded,
            from_logits=True,
            label_smoothing=0.1,
        )
    )
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_the_loss_survives_a_config_round_trip():
    loss = LabelSmoothedCrossentropy(0.3, reduction="sum", name="cost")
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.get_config() == loss.get_config()
    assert again.label_smoothing == 0.3


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, 2])
def test_smoothing_out_of_range_is_refused(smoothing):
    with pytest.raises(ValueError, match="`label_smoothing`.*Received"):
        LabelSmoothedCrossentropy(smoothing)

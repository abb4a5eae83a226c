"""Classifiers over every kind of encoder."""

import itertools
import json

import keras
import numpy as np
import pytest

from keras_attention import (
    AttentionPooling,
    Classifier,
    ConvolutionalEncoder,
    ImageConvolutionEncoder,
    MultiHeadAttention,
    PatchEmbedding,
    PerceiverAttention,
    QueryPooling,
    RecurrentEncoder,
    SequencePooling,
    TransformerEncoder,
    attention,
)
from tests.models.small import VOCABULARY, encoder, ids
from tests.tools import near, only, randomize, to_numpy

CLASSES, DIM = 5, 12
POOLINGS = ["mean", "max", "attention", "additive"]
MIXERS = [
    name
    for name, facts in attention.describe().items()
    if facts["kind"] == "mixer"
]
ENCODERS = {
    "transformer": encoder,
    "recurrent": lambda rng: randomize(RecurrentEncoder(VOCABULARY, 1, 6), rng),
    "convolutional": lambda rng: randomize(
        ConvolutionalEncoder(VOCABULARY, 7, filters=4), rng
    ),
}


def classifier(rng, kind="transformer", **options):
    model = Classifier(ENCODERS[kind](rng), CLASSES, **options)
    return randomize(model, rng)


def pooled_by_hand(x, mask, mode):
    """What a mode of `SequencePooling` gives, row by row."""
    rows = []
    for row, seen in zip(x, mask, strict=True):
        tokens = row[seen]
        half = row.shape[-1] // 2
        rows.append(
            {
                "mean": lambda t=tokens: t.mean(axis=0),
                "max": lambda t=tokens: t.max(axis=0),
                "first": lambda t=tokens: t[0],
                "last": lambda t=tokens: t[-1],
                "ends": lambda t=tokens, h=half: np.concatenate(
                    [t[-1, :h], t[0, h:]]
                ),
            }[mode]()
        )
    return np.stack(rows)


@pytest.mark.parametrize("mode", ["mean", "max", "first", "last", "ends"])
def test_pooling_is_that_of_the_tokens_alone(mode, rng):
    x = rng.normal(size=(3, 7, 6)).astype("float32") - 2.0
    mask = np.arange(7)[None] < np.array([[7], [4], [1]])
    near(
        SequencePooling(mode)(x, padding_mask=mask),
        pooled_by_hand(x, mask, mode),
    )
    whole = SequencePooling(mode)(x)
    near(whole, pooled_by_hand(x, np.ones((3, 7), bool), mode))


@pytest.mark.parametrize("mode", ["mean", "max", "first", "last", "ends"])
def test_a_row_without_tokens_gives_zeros(mode, rng):
    x = rng.normal(size=(2, 3, 4)).astype("float32")
    x[1, 0] = np.inf
    mask = np.array([[True, True, True], [False, False, False]])
    assert not to_numpy(SequencePooling(mode)(x, padding_mask=mask))[1].any()


@pytest.mark.few
@pytest.mark.parametrize(
    ("kind", "pooling"),
    only(
        {
            *((kind, "mean") for kind in ENCODERS),
            *(("convolutional", name) for name in POOLINGS),
        },
        itertools.product(ENCODERS, POOLINGS),
    ),
)
def test_logits_do_not_depend_on_padding(kind, pooling, rng):
    model = classifier(rng, kind, pooling=pooling, hidden_dim=7)
    tokens = ids(rng)
    alone = to_numpy(model(tokens[1:2, :4]))
    found = to_numpy(model({"token_ids": tokens}))
    assert found.shape == (3, CLASSES)
    near(found[1:2], alone)
    assert np.ptp(found, axis=0).min() > 1e-3


def test_the_layer_before_logits_has_any_activation(rng):
    model = classifier(
        rng, pooling="first", hidden_dim=7, activation="relu", dropout=0.3
    )
    tokens = ids(rng)
    x = to_numpy(model.encoder(tokens))[:, 0]
    hidden, dense = (
        [to_numpy(weight) for weight in layer.weights]
        for layer in (model.hidden, model.dense)
    )
    x = np.maximum(x @ hidden[0] + hidden[1], 0)
    near(model(tokens), x @ dense[0] + dense[1])
    again = Classifier.from_config(model.get_config())
    again.set_weights(model.get_weights())
    near(again(tokens), model(tokens))


@pytest.mark.parametrize(
    "name", only({"multi_head", "linear", "fourier"}, MIXERS)
)
def test_flavours_pool_with_a_learned_query(name, rng):
    if not attention.describe()[name]["cross_attention"]:
        with pytest.raises(ValueError, match="cross-attention"):
            classifier(rng, pooling=name)
        return
    found = to_numpy(classifier(rng, pooling=name)(ids(rng)))
    assert np.isfinite(found).all() and np.ptp(found, axis=0).min() > 1e-6


@pytest.mark.full
def test_implicit_masks_and_templates_pool_as_names_do(rng):
    tokens = ids(rng)
    embedding = keras.layers.Embedding(VOCABULARY, 6, mask_zero=True)
    pooled = keras.Sequential([embedding, SequencePooling("last")])(tokens)
    near(
        pooled, pooled_by_hand(to_numpy(embedding(tokens)), tokens != 0, "last")
    )
    model = classifier(rng, pooling=MultiHeadAttention(2))
    assert isinstance(model.pooling, QueryPooling)
    for pooling in (
        MultiHeadAttention(2),
        PerceiverAttention(3, num_latents=2, latent_dim=9),
    ):
        assert classifier(rng, pooling=pooling)(tokens).shape == (3, CLASSES)


def test_all_seeds_of_a_pooling_count(rng):
    model = classifier(rng, pooling=AttentionPooling(3, num_seeds=2))
    assert model.dense.kernel.shape[0] == 2 * DIM
    assert model(ids(rng)).shape == (3, CLASSES)


@pytest.mark.full
@pytest.mark.parametrize(
    ("kind", "pooling"),
    only(
        {
            ("transformer", "additive"),
            ("recurrent", "max"),
            ("convolutional", "attention"),
        },
        itertools.product(ENCODERS, ["max", "additive", "attention"]),
    ),
)
def test_files_give_back_the_same_logits(kind, pooling, rng, tmp_path):
    if pooling == "attention":
        pooling = AttentionPooling(3)
    model = classifier(rng, kind, pooling=pooling, hidden_dim=7)
    tokens = ids(rng)
    expected = to_numpy(model(tokens))
    model.save_to_preset(tmp_path / "preset")
    near(Classifier.from_preset(tmp_path / "preset")(tokens), expected)
    model.save(tmp_path / "model.keras")
    near(keras.saving.load_model(tmp_path / "model.keras")(tokens), expected)


@pytest.mark.parametrize(
    ("patch_size", "stride", "size", "sides"),
    [
        (np.int64(3), np.int64(2), (7, 5), [(0, 2), (0, 2)]),
        (4, 2, (8, 7), [(1, 1), (1, 2)]),
        ((5, 3), (1, 3), (6, 7), [(2, 2), (0, 2)]),
        (2, 2, (4, 3), [(0, 0), (0, 1)]),
    ],
)
def test_patches_are_those_of_torch(patch_size, stride, size, sides, rng):
    torch = pytest.importorskip("torch", reason="the oracle")
    embedding = PatchEmbedding(patch_size, DIM, channels=2, stride=stride)
    images = rng.normal(size=(3, *size, 2)).astype("float32")
    found = to_numpy(embedding(images))
    padded = np.pad(images, [(0, 0), *sides, (0, 0)])
    patches = torch.nn.functional.unfold(
        torch.tensor(padded.transpose(0, 3, 1, 2)),
        embedding.patch_size,
        stride=embedding.stride,
    )
    # torch lists a patch channel by channel, and its pixels in each.
    patches = patches.numpy().reshape(
        (3, 2, *embedding.patch_size, patches.shape[-1])
    )
    patches = patches.transpose(0, 4, 2, 3, 1).reshape(3, found.shape[1], -1)
    near(found, patches @ to_numpy(embedding.dense.kernel))
    assert found.shape[1] == np.prod(embedding.grid(*size))
    config = json.loads(json.dumps(embedding.get_config()))
    again = PatchEmbedding.from_config(config)
    assert again.stride == embedding.stride


def test_images_of_unknown_size_are_cut(rng):
    embedding = PatchEmbedding(4, DIM, stride=3)
    inputs = keras.Input((None, None, 1))
    model = keras.Model(inputs, embedding(inputs))
    for size in [(6, 7), (9, 2)]:
        images = rng.normal(size=(2, *size, 1)).astype("float32")
        near(model.predict(images, verbose=0), to_numpy(embedding(images)))


IMAGE_ENCODERS = {
    "patches": lambda: TransformerEncoder(
        None,
        2,
        DIM,
        3,
        embedding=PatchEmbedding((3, 2), DIM, channels=2),
        position={"class_name": "rotary", "config": {"axes": 2, "fraction": 1}},
    ),
    "class_token": lambda: TransformerEncoder(
        None,
        2,
        DIM,
        3,
        embedding=PatchEmbedding(
            3, DIM, channels=2, class_token=True, stride=2
        ),
        position="learned",
    ),
    "convolutions": lambda: ImageConvolutionEncoder((4, 6), channels=2),
}


@pytest.mark.parametrize(
    "given",
    [
        {"position": {"class_name": "rotary", "config": {"axes": 2}}},
        {"attention": {"class_name": "axial", "config": {"num_heads": 3}}},
        {"position": "window_relative"},
    ],
)
def test_a_class_token_is_no_cell_of_a_grid(given):
    embedding = PatchEmbedding(3, DIM, class_token=True)
    with pytest.raises(ValueError, match="class_token=True shifts"):
        TransformerEncoder(None, 2, DIM, 3, embedding=embedding, **given)
    given = {"position": {"class_name": "rotary", "config": {"axes": 1}}}
    TransformerEncoder(None, 2, DIM, 3, embedding=embedding, **given)


@pytest.mark.full
@pytest.mark.parametrize("kind", IMAGE_ENCODERS)
def test_images_are_classified_trained_and_saved(kind, rng, tmp_path):
    model = Classifier(IMAGE_ENCODERS[kind](), CLASSES, pooling="mean")
    randomize(model, rng, deviation=0.1)
    images = rng.normal(size=(10, 6, 8, 2)).astype("float32")
    labels = rng.integers(0, CLASSES, size=10)
    model.compile(
        keras.optimizers.Adam(0.01),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=keras.backend.backend() == "jax",
    )
    model.fit(images, labels, batch_size=5, verbose=0)
    expected = to_numpy(model(images))
    assert np.ptp(expected, axis=0).min() > 1e-4
    model.save_to_preset(tmp_path)
    near(Classifier.from_preset(tmp_path)(images), expected)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"stride": 3}, "stride must not leave out.*stride=3, patch_size=2"),
        ({"stride": (1, 2, 2)}, "stride must be an integer or"),
        ({"stride": 0}, "stride must be"),
        ({"patch_size": (2,)}, "patch_size must be an integer or"),
        ({"patch_size": 2.0}, "patch_size must be"),
    ],
)
def test_patches_that_cannot_be_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        PatchEmbedding(**{"patch_size": 2, "hidden_dim": DIM, **sizes})


def test_gray_images_need_no_axis_for_their_channel(rng):
    embedding = PatchEmbedding(2, DIM)
    images = rng.normal(size=(2, 5, 4)).astype("float32")
    found = to_numpy(embedding(images))
    assert found.shape == (2, 6, DIM)  # the fifth row is padded
    near(embedding(images[..., None]), found)
    with pytest.raises(ValueError, match="images must have the shape"):
        embedding(np.zeros((2, 5, 4, 3), "float32"))
    with pytest.raises(ValueError, match="at least 4"):
        ImageConvolutionEncoder((4, 6))(np.zeros((2, 3, 9), "float32"))


def test_padding_on_the_left_leaves_the_last_token(rng):
    x = rng.normal(size=(2, 5, DIM)).astype("float32")
    mask = np.arange(5) >= np.array([[2], [0]])
    near(SequencePooling("last")(x, padding_mask=mask), x[:, -1])
    first = to_numpy(SequencePooling("first")(x, padding_mask=mask))
    near(first, [0 * x[0, 0], x[1, 0]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 0}, "num_classes must be a positive integer"),
        ({"dropout": 1.0}, "dropout"),
        ({"hidden_dim": 0}, "hidden_dim"),
        ({"activation": "swiglu"}, "single projection.*a gated form"),
        ({"activation": "rule"}, "Unknown feed-forward activation.*relu"),
        ({"pooling": "mode"}, "Unknown pooling: 'mode'.*mean"),
        ({"pooling": "fourier"}, "cross-attention"),
        ({"pooling": keras.layers.GlobalAveragePooling1D()}, "as pooling"),
        ({"encoder": "x"}, "encoder must be"),
        (
            {
                "encoder": RecurrentEncoder(23, 1, 6, bidirectional=False),
                "pooling": "ends",
            },
            "bidirectional=False; pool",
        ),
        ({"dropout": "x"}, "dropout"),
    ],
)
def test_what_does_not_fit_is_refused(options, message, rng):
    with pytest.raises(ValueError, match=message):
        Classifier(
            **{"encoder": encoder(rng), "num_classes": CLASSES, **options}
        )


def test_convolutions_are_torchs(rng):
    torch = pytest.importorskip("torch", reason="the oracle")
    model = ConvolutionalEncoder(
        VOCABULARY, 7, filters=4, kernel_sizes=(3, 5), dropout=0.3
    )
    randomize(model, rng)
    tokens = ids(rng)
    x = torch.tensor(to_numpy(model.embedding(tokens)))
    x = torch.where(torch.tensor(tokens != 0)[..., None], x, 0.0)
    expected = []
    for ours, size in zip(model.convolutions, (3, 5), strict=True):
        layer = torch.nn.Conv1d(7, 4, size, padding=size // 2)
        kernel = to_numpy(ours.kernel).transpose(2, 1, 0).copy()
        layer.weight.data = torch.tensor(kernel)
        layer.bias.data = torch.tensor(to_numpy(ours.bias))
        found = torch.relu(layer(x.transpose(1, 2))).transpose(1, 2)
        expected.append(found.detach().numpy())
    near(model(tokens), np.concatenate(expected, axis=-1))


def test_an_image_network_is_torchs(rng):
    torch = pytest.importorskip("torch", reason="the oracle")
    model = randomize(ImageConvolutionEncoder((4, 6), channels=2), rng)
    for stage in model.stages:
        for _, norm in stage:
            spread = rng.uniform(0.5, 2.0, norm.moving_variance.shape)
            norm.moving_variance.assign(spread)
    images = rng.normal(size=(3, 8, 5, 2)).astype("float32")
    x = torch.tensor(images.transpose(0, 3, 1, 2))
    for stage in model.stages:
        for convolution, norm in stage:
            kernel = to_numpy(convolution.kernel).transpose(3, 2, 0, 1).copy()
            x = torch.nn.functional.conv2d(x, torch.tensor(kernel), padding=1)
            x = torch.nn.functional.batch_norm(
                x,
                *(
                    torch.tensor(to_numpy(weight))
                    for weight in (
                        *(norm.moving_mean, norm.moving_variance),
                        *(norm.gamma, norm.beta),
                    )
                ),
                eps=norm.epsilon,
            ).relu()
        x = torch.nn.functional.max_pool2d(x, 2)
    near(model(images), x.flatten(2).transpose(1, 2).numpy())


def test_a_vision_transformer_is_hugging_faces(rng):
    torch = pytest.importorskip("torch", reason="the oracle")
    pytest.importorskip("transformers", reason="the oracle")
    from transformers import ViTConfig, ViTForImageClassification

    oracle = ViTForImageClassification(
        ViTConfig(
            hidden_size=DIM,
            num_hidden_layers=2,
            num_attention_heads=3,
            intermediate_size=17,
            image_size=(6, 9),
            patch_size=3,
            num_channels=2,
            num_labels=CLASSES,
            attn_implementation="eager",
        )
    ).eval()
    for parameter in oracle.parameters():
        drawn = 0.3 * rng.normal(size=parameter.shape)
        parameter.data = torch.tensor(drawn.astype("float32"))
    model = Classifier(
        TransformerEncoder(
            None,
            2,
            DIM,
            3,
            intermediate_dim=17,
            position={"class_name": "learned", "config": {"max_length": 7}},
            normalization={
                "class_name": "layer_norm",
                "config": {"epsilon": 1e-12},
            },
            embedding=PatchEmbedding(3, DIM, channels=2, class_token=True),
        ),
        CLASSES,
        pooling="first",
    )
    copy_vit(model, oracle)
    images = rng.normal(size=(4, 6, 9, 2)).astype("float32")
    with torch.no_grad():
        pixels = torch.tensor(images.transpose(0, 3, 1, 2))
        expected = oracle(pixels).logits.numpy()
    near(model(images), expected)


def copy_vit(model, oracle):
    from tests.attention.hugging_face import copy, copy_projections

    def copy_norm(norm, theirs):
        norm.gamma.assign(theirs.weight.detach().numpy())
        norm.beta.assign(theirs.bias.detach().numpy())

    vit, encoder = oracle.vit, model.encoder
    embeddings = vit.embeddings
    encoder.embedding.token.assign(embeddings.cls_token[0].detach().numpy())
    encoder.position.table.assign(
        embeddings.position_embeddings[0].detach().numpy()
    )
    projection = embeddings.patch_embeddings.projection
    kernel = projection.weight.detach().numpy().transpose(2, 3, 1, 0)
    encoder.embedding.dense.kernel.assign(kernel.reshape(-1, DIM))
    encoder.embedding.dense.bias.assign(projection.bias.detach().numpy())
    for block, layer in zip(encoder.blocks, vit.layers, strict=True):
        copy_projections(block.attention, layer.attention)
        copy_norm(block.norms[0], layer.layernorm_before)
        copy_norm(block.norms[1], layer.layernorm_after)
        copy(block.feed_forward.up_dense, layer.mlp.fc1)
        copy(block.feed_forward.down_dense, layer.mlp.fc2)
    copy_norm(encoder.final_norm, vit.layernorm)
    copy(model.dense, oracle.classifier)

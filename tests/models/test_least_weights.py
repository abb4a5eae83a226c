"""No model is built that cannot be, and none refused that can."""

import keras
import pytest

from keras_attention import (
    Classifier,
    ConvolutionalEncoder,
    ImageConvolutionEncoder,
    LinformerAttention,
    MultiHeadAttention,
    PatchEmbedding,
    RecurrentEncoder,
    RecurrentEncoderDecoder,
    ShawRelative,
    TransformerDecoder,
    TransformerEncoder,
    attention,
    memory,
)
from keras_attention.layers.feed_forward import FeedForward
from keras_attention.models import least_weights
from tests.tools import only

MANY = 10**11
MIXERS = [
    name
    for name, about in attention.describe().items()
    if about["kind"] == "mixer"
]


def of(name, **config):
    return {"class_name": name, "config": config}


def encoder(**arguments):
    sizes = {"vocabulary_size": 37, "num_layers": 2, "hidden_dim": 12}
    return TransformerEncoder(**{**sizes, "num_heads": 2, **arguments})


def decoder(**arguments):
    return TransformerDecoder(
        37, 2, 12, 2, cross_attention="multi_head", **arguments
    )


def recurrent(**arguments):
    sizes = {"vocabulary_size": 37, "num_layers": 2, "hidden_dim": 12}
    return RecurrentEncoderDecoder(**{**sizes, **arguments})


def images(patch_size):
    return encoder(
        vocabulary_size=None, embedding=PatchEmbedding(patch_size, 12)
    )


def classes(num_classes, **arguments):
    return Classifier(ConvolutionalEncoder(7, 3), num_classes, **arguments)


TOO_LARGE = {
    "hidden_dim": lambda: encoder(hidden_dim=10**8),
    "vocabulary_size": lambda: encoder(vocabulary_size=MANY),
    "intermediate_dim": lambda: decoder(intermediate_dim=MANY),
    "beyond floats": lambda: encoder(intermediate_dim=10**400),
    "memory_dim": lambda: decoder(memory_dim=MANY),
    "head_dim": lambda: encoder(attention=of("multi_head", head_dim=MANY)),
    "positions": lambda: encoder(position=of("learned", max_length=MANY)),
    "distances": lambda: encoder(position=of("shaw", max_distance=MANY)),
    "patches": lambda: images(10**6),
    "recurrent hidden_dim": lambda: recurrent(hidden_dim=10**8),
    "source_vocabulary_size": lambda: recurrent(source_vocabulary_size=MANY),
    "embedding_dim": lambda: recurrent(embedding_dim=MANY),
    "filters": lambda: ConvolutionalEncoder(37, 5, filters=MANY),
    "kernel_sizes": lambda: ConvolutionalEncoder(37, 5, kernel_sizes=[MANY]),
    "image filters": lambda: ImageConvolutionEncoder([10**8]),
    "many stages": lambda: ImageConvolutionEncoder(
        [2**stage for stage in range(1000)]
    ),
    "num_classes": lambda: classes(MANY),
    "classifier hidden_dim": lambda: classes(3, hidden_dim=MANY),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_sizes_beyond_the_memory_are_refused(name):
    with pytest.raises(ValueError, match="GiB of memory. This machine has"):
        TOO_LARGE[name]()


def test_the_message_tells_the_sizes():
    with pytest.raises(ValueError, match="most of them in its") as caught:
        encoder(vocabulary_size=10**12)
    assert str(caught.value).startswith(
        "The weights of TransformerEncoder(vocabulary_size=1000000000000, "
        "num_layers=2, hidden_dim=12, num_heads=2, intermediate_dim=48), "
        "most of them in its embedding, need at least 44,703.5 GiB"
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: encoder(num_layers=10**6),
        lambda: TransformerDecoder(7, 10**6, 2, 1),
        lambda: RecurrentEncoder(7, 10**6, 2),
        lambda: recurrent(num_layers=10**6),
        lambda: ImageConvolutionEncoder([1] * 10**6),
        lambda: ConvolutionalEncoder(7, 2, kernel_sizes=[1] * 10**6),
    ],
)
def test_a_million_layers_are_refused_at_once(make):
    with pytest.raises(ValueError, match="must be at most 10,000"):
        make()


def test_the_arrays_of_a_single_layer_are_refused_too():
    layer = LinformerAttention(2, max_length=MANY)
    with pytest.raises(ValueError, match="key_mixing of the shape"):
        layer.build((None, None, 12))
    with pytest.raises(ValueError, match="in a ShawRelative need at least"):
        ShawRelative(max_distance=MANY).build((None, None, 2, 6))


class NoProjections(MultiHeadAttention):
    """Of a user's own: none of the weights of its base."""

    def build(self, *shapes):
        self.head_dim = shapes[0][-1] // self.num_heads

    def project_query(self, query):
        return keras.ops.reshape(query, (*query.shape[:2], 2, -1))

    def project_source(self, key, value):
        return self.project_query(key), self.project_query(value)

    def project_output(self, output, query):
        return keras.ops.reshape(output, query.shape)


class Identity(FeedForward):
    """Of a user's own: no weights."""

    def build(self, input_shape):
        pass

    def call(self, x, training=None):
        return x


FITTING = {
    "encoder": encoder,
    "gated": lambda: encoder(feed_forward="swiglu"),
    "kv heads": lambda: encoder(attention=of("multi_head", num_kv_heads=1)),
    "learned": lambda: encoder(position=of("learned", max_length=5)),
    "no positions": lambda: encoder(position=None, residual="post_norm"),
    "own parts": lambda: encoder(
        attention=NoProjections(2), feed_forward=Identity(5), position=None
    ),
    "decoder": lambda: decoder(memory_dim=5, intermediate_dim=3),
    "untied": lambda: TransformerDecoder(37, 1, 6, 2, tie_embeddings=False),
    "shared": lambda: decoder(embedding=encoder().embedding),
    "vectors": lambda: encoder(
        vocabulary_size=None, embedding=of("vectors", dim=5)
    ),
    "patches": lambda: images((2, 3)),
    "gru": recurrent,
    "lstm": lambda: recurrent(
        cell="lstm", bidirectional=False, attention="luong"
    ),
    "tied": lambda: recurrent(tie_embeddings=True, share_embeddings=True),
    "no attention": lambda: recurrent(attention=None, bidirectional=False),
    "convolutions": lambda: ConvolutionalEncoder(7, 3, filters=5),
    "images": lambda: ImageConvolutionEncoder([3, 5], channels=2),
    "classifier": lambda: classes(3, hidden_dim=5, pooling="attention"),
    "half": lambda: encoder(dtype="bfloat16"),
    "int8": lambda: encoder(dtype="int8_from_float32"),
    **{name: lambda name=name: encoder(attention=name) for name in MIXERS},
}


# What a flavour has is counted below for each.
@pytest.mark.few
@pytest.mark.parametrize(
    "name",
    only({*FITTING}.difference(MIXERS) | {"latent", "longformer"}, FITTING),
)
def test_what_has_just_the_memory_for_its_weights_is_made(name, monkeypatch):
    model = FITTING[name]()
    numbers = sum(
        memory.bytes_of(keras.ops.size(weight.value), weight.dtype)
        for weight in model.weights
        if "seed_generator" not in weight.path
    )
    monkeypatch.setattr(memory, "machine_memory", lambda: int(numbers))
    assert FITTING[name]().count_params() == model.count_params()


@pytest.mark.parametrize("name", MIXERS)
def test_attention_is_not_counted_for_more_than_it_has(name):
    layer = attention.get(name, num_heads=2)
    least = least_weights.of_layer(layer, 68)
    layer.build((None, None, 68))
    assert least <= layer.count_params()
    if name not in ("fourier", "latent", "linformer"):
        assert least > layer.count_params() / 2.3
    assert least_weights.of_layer(layer, 68) >= layer.count_params()


@pytest.mark.full
def test_most_weights_of_common_models_are_counted(monkeypatch):
    for make in (encoder, decoder, recurrent):
        counts = []
        monkeypatch.setattr(
            least_weights,
            "check_memory",
            lambda what, needed, counts=counts: counts.append(needed / 4),
        )
        model = make()
        assert 0.6 < sum(counts) / model.count_params() <= 1

"""A lower bound of the weights of a model, known before any is made.

Only what is certain counts: parts of this package, by their sizes. A part of
the user's own counts once it is built.
"""

import collections
import math

import keras

from keras_attention import attention
from keras_attention.layers.embeddings import VectorEmbedding
from keras_attention.layers.factorized_embedding import FactorizedEmbedding
from keras_attention.layers.feed_forward import FeedForward
from keras_attention.layers.patches import PatchEmbedding
from keras_attention.layers.token_embedding import TokenEmbedding
from keras_attention.memory import bytes_of, check_memory
from keras_attention.positions.absolute.learned import LearnedEncoding
from keras_attention.registry import PACKAGE

# Ten times the deepest Transformer published (Wang et al. 2022, DeepNet,
# https://arxiv.org/abs/2203.00555). Making so many takes minutes.
MOST_LAYERS = 10_000
_LONGEST = 300  # characters of what a message says of a model


def check_layers(name, number):
    """Refuses more layers than any model has.

    Args:
        name: string, the argument.
        number: integer.

    Raises:
        ValueError: for more than `MOST_LAYERS`.
    """
    if number > MOST_LAYERS:
        raise ValueError(
            f"{name} must be at most {MOST_LAYERS:,}. Received: {number}"
        )


def check_weights(model, counts, *sizes):
    """Refuses a model whose weights need more memory than there is.

    Args:
        model: a model that is not built yet.
        counts: dictionary from the names of its parts to the weights that
            they have at the least.
        *sizes: names of attributes, which the message gives.

    Raises:
        ValueError: as `check_memory`.
    """
    counts = {name: count for name, count in counts.items() if count}
    if not counts:
        return
    given = ", ".join(f"{name}={getattr(model, name)}" for name in sizes)
    if len(given) > _LONGEST:
        given = f"{given[:_LONGEST]} ..."
    largest = max(counts, key=counts.get)
    check_memory(
        f"The weights of {type(model).__name__}({given}), most of them in "
        f"its {largest},",
        bytes_of(sum(counts.values()), model.dtype_policy),
    )


def of_transformer(model):
    """Counts the weights of a `TransformerEncoder` or `TransformerDecoder`.

    Returns:
        Dictionary from the names of parts to integers.
    """
    dim = model.hidden_dim
    counts = collections.Counter(
        embedding=of_layer(model.embedding, dim),
        position=of_layer(model.position, dim),
    )
    seen = set()  # blocks may share a part
    for block in model.blocks:
        for name in ("attention", "cross_attention", "feed_forward"):
            part = getattr(block, name, None)
            if part is not None and id(part) not in seen:
                seen.add(id(part))
                memory_dim = model.memory_dim if "cross" in name else None
                counts[name] += of_layer(part, dim, memory_dim)
    return counts


def check_recurrent(model, directions=1):
    """Refuses a recurrent encoder or decoder too large for the memory.

    Args:
        model: one that is not built yet.
        directions: integer, in how many a layer reads.

    Raises:
        ValueError: as `check_memory`.
    """
    dims = model.embedding_dim, model.hidden_dim
    counts = {
        "embedding": of_layer(model.embedding, dims[0]),
        "layers": of_recurrence(
            model.cell, *dims, model.num_layers, directions
        ),
    }
    check_weights(
        model,
        counts,
        "vocabulary_size",
        "num_layers",
        "hidden_dim",
        "embedding_dim",
    )


def of_recurrence(cell, input_dim, hidden_dim, num_layers, directions=1):
    """Counts the weights of a stack of recurrent layers.

    Args:
        cell: `"gru"` or `"lstm"`.
        input_dim: integer, width of what the first layer reads.
        hidden_dim: integer, width of each direction.
        num_layers: integer.
        directions: 1 or 2.

    Returns:
        Integer.
    """
    gates = {"gru": 3, "lstm": 4}.get(cell, 0)
    inputs = input_dim + (num_layers - 1) * directions * hidden_dim
    inputs += num_layers * hidden_dim  # the states
    return gates * directions * hidden_dim * inputs


def of_layer(layer, dim, memory_dim=None):
    """Counts the weights of a part.

    Args:
        layer: an embedding, encoding, attention or feed-forward layer.
        dim: integer, width of the model.
        memory_dim: integer, width of what it attends to; `dim` by default.

    Returns:
        Integer, 0 for a part that is not known.
    """
    if layer.built:
        return sum(math.prod(weight.shape) for weight in layer.weights)
    kind = type(layer)  # a subclass may have fewer
    if kind in (TokenEmbedding, FactorizedEmbedding):
        matrices = 1 if layer.tie_weights else 2
        width = layer.embedding_dim or layer.hidden_dim
        return matrices * layer.vocabulary_size * width
    if kind is VectorEmbedding:
        return (layer.dim or 0) * layer.hidden_dim
    if kind is PatchEmbedding:
        pixels = math.prod(layer.patch_size) * layer.channels
        return pixels * layer.hidden_dim
    if kind is LearnedEncoding:
        return layer.max_length * dim
    if kind is FeedForward:
        return 2 * dim * layer.intermediate_dim
    if _is_known_attention(kind):
        return _of_attention(layer, dim, memory_dim or dim)
    return 0


def _is_known_attention(kind):
    registered = keras.saving.get_registered_name(kind)
    is_ours = registered == f"{PACKAGE}>{kind.__name__}"
    return is_ours and issubclass(kind, attention.Attention)


def _of_attention(layer, dim, memory_dim):
    """Counts the four projections, as far as the flavour has them."""
    if not layer.has_heads:
        return 0
    width = layer.head_dim or dim // layer.num_heads
    heads, kv_heads = layer.num_heads * width, layer.num_kv_heads * width
    if isinstance(layer, attention.LatentAttention):
        return layer.num_heads * (layer.value_dim or width) * dim
    counts = {
        "query": heads * dim,
        "key": kv_heads * memory_dim,
        "value": kv_heads * memory_dim,
        "attention_output": heads * dim,
    }
    if isinstance(layer, attention.LSHAttention):
        del counts["key"]  # its keys are its queries
    for name in getattr(layer, "left_out", tuple)():
        del counts[name]
    return sum(counts.values())

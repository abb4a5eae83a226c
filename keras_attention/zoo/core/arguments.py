"""Entries of published configurations as arguments of models here.

Functions take a `Configuration`, whose entries have the names of BERT.
"""

from keras_attention.zoo.core import labels
from keras_attention.zoo.core.rotary import rotary  # noqa: F401
from keras_attention.zoo.core.tensors import Fused, Transposed

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "relu2": "squared_relu",
    "silu": "silu",
    "swish": "silu",
    "tanh": "tanh",
}


# Paths of the matrix for logits where it is not that of the tokens.
UNTIED = "encoder.embedding.embedding.reverse_embeddings"
UNTIED_ALONE = "embedding.embedding.reverse_embeddings"
UNTIED_DECODER = f"decoder.{UNTIED_ALONE}"


def part(class_name, **config):
    """Describes a part; what is None is left open.

    Args:
        class_name: registered name.
        **config: constructor arguments.

    Returns:
        A configuration.
    """
    given = {name: x for name, x in config.items() if x is not None}
    return {"class_name": class_name, "config": given}


def size(num_layers, width, **changes):
    """A size with heads of 64 and four times the width between, as of BERT.

    Args:
        num_layers: integer.
        width: integer.
        **changes: further entries.

    Returns:
        Entries of a `config.json`.
    """
    return {
        "hidden_size": width,
        "num_hidden_layers": num_layers,
        "num_attention_heads": width // 64,
        "intermediate_size": 4 * width,
        **changes,
    }


def model(c, **changes):
    """The arguments that most models have in common.

    Args:
        c: a `Configuration`.
        **changes: further arguments, or in place of those.

    Returns:
        Dictionary of keyword arguments of `TransformerEncoder` or
        `TransformerDecoder`.
    """
    return {
        "vocabulary_size": c.vocab_size if "vocab_size" in c.entries else None,
        "num_layers": c.num_hidden_layers,
        "hidden_dim": c.hidden_size,
        "num_heads": c.num_attention_heads,
        "intermediate_dim": c.get("intermediate_size", 4 * c.hidden_size),
        "dropout": c.get("hidden_dropout_prob", 0.0),
        **changes,
    }


def attention(c, flavour="multi_head", **options):
    """The attention of a model, with the dropout of its weights."""
    dropout = c.get("attention_probs_dropout_prob", 0.0)
    return part(flavour, dropout=dropout, **options)


def feed_forward(c, **options):
    """The feed-forward part, with the activation of the configuration."""
    activation = c.choose("hidden_act", ACTIVATIONS)
    dropout = c.get("activation_dropout", 0.0)
    return part(
        "feed_forward", activation=activation, dropout=dropout, **options
    )


def tokens(c, **options):
    """The embedding of tokens."""
    embedding = part(
        "tokens",
        **{
            "scale": False,
            "tie_weights": c.get("tie_word_embeddings", True),
            **options,
        },
    )
    padding_id = c.get("pad_token_id", -1)
    # Some files say by a negative number that there is none.
    embedding["config"]["padding_id"] = padding_id if padding_id >= 0 else None
    return embedding


def learned(c, **options):
    """Positions with a learned vector each."""
    options = {"max_length": c.max_position_embeddings, **options}
    return part("learned", **options)


def layer_norm(c):
    """The normalization of a model."""
    return part("layer_norm", epsilon=c.layer_norm_eps)


def classes(c):
    """The number of classes of a classifier, and their names."""
    return {"num_classes": labels.number(c), "labels": labels.names(c)}


def bert(c, **changes):
    """The arguments of an encoder as BERT's, and of its heads.

    Args:
        c: a `Configuration`.
        **changes: arguments of the encoder in place of BERT's.

    Returns:
        Dictionary from the names of parts to their arguments.
    """
    norm = part("layer_norm", epsilon=c.get("layer_norm_eps", 1e-12))
    activation = c.choose("hidden_act", ACTIVATIONS)
    kinds = c.get("type_vocab_size")
    encoder = model(
        c,
        attention=attention(c),
        position=learned(c),
        feed_forward=feed_forward(c),
        normalization=norm,
        residual="post_norm",
        embedding=tokens(c, num_segments=kinds, tie_weights=True),
        embedding_normalization=norm,
    )
    return {
        "encoder": {**encoder, **changes},
        "masked_lm": {
            "activation": activation,
            "normalization": norm,
            # It alone needs a matrix for logits.
            "encoder": {"embedding": tokens(c, num_segments=kinds)},
        },
        "classifier": {
            **classes(c),
            "pooling": "first",
            "hidden_dim": c.hidden_size,
            "dropout": c.get("classifier_dropout", c.hidden_dropout_prob),
        },
        "sequence_tagger": {
            **classes(c),
            "dropout": c.get("classifier_dropout", c.hidden_dropout_prob),
        },
        "span_predictor": {"dropout": c.get("qa_dropout", 0.0)},
    }


def decoder(c, **changes):
    """The arguments of a decoder without cross-attention.

    Args:
        c: a `Configuration`.
        **changes: arguments in place of those.

    Returns:
        Dictionary with `"decoder"`.
    """
    given = model(
        c,
        attention=attention(c),
        feed_forward=feed_forward(c),
        embedding=tokens(c),
        tie_embeddings=c.tie_word_embeddings,
    )
    return {"decoder": {**given, **changes}}


# The head of a decoder whose logits have a matrix of their own.
LM_HEAD = {UNTIED_DECODER: Transposed("lm_head.weight")}


def causal_lm(decoder, with_head):
    """What the family of a decoder says of its classes.

    Args:
        decoder: name of the class of `transformers` without a head.
        with_head: name of that with one.

    Returns:
        Dictionary of arguments of `Family`.
    """
    return {
        "architectures": {"TransformerDecoder": decoder, "CausalLM": with_head},
        "heads": {
            "CausalLM": LM_HEAD,
            "TransformerDecoder": {UNTIED_ALONE: Transposed("lm_head.weight")},
        },
    }


def masked_lm(transform, norm, bias, decoder):
    """The table of the head for masked tokens.

    Args:
        transform, norm, decoder: modules.
        bias: the tensor of the bias; `decoder` has its own where its matrix
            is not that of the tokens.

    Returns:
        A function from a `Configuration` to a table as of `tensors.bind`.
    """

    def table(c):
        is_tied = c.get("tie_word_embeddings", True)
        return {
            "transform": transform,
            "norm": norm,
            "bias": bias if is_tied else f"{decoder}.bias",
            UNTIED: Transposed(f"{decoder}.weight"),
        }

    return table


_PATHS = {
    **{
        name: f"attention.{name}_dense"
        for name in ("query", "key", "value", "output")
    },
    **{
        f"global_{name}": f"attention.global_{name}_dense"
        for name in ("query", "key", "value")
    },
    **{
        f"cross_{name}": f"cross_attention.{name}_dense"
        for name in ("query", "key", "value", "output")
    },
    **{name: f"feed_forward.{name}_dense" for name in ("up", "gate", "down")},
}


def blocks(prefix, side="", transposed=False, **names):
    """The table of a block's tensors.

    Args:
        prefix: what the names of its modules begin with; `{i}` counts blocks.
        side: `"encoder."` or `"decoder."` in a model of both.
        transposed: whether its dense layers are Conv1D.
        **names: modules by the parts that they are: `query`, `key`, `value`
            and `output`, the same with `cross_` or `global_`, `up`, `gate`
            and `down`, or a normalization of the residual path,
            `attention_norm`.

    Returns:
        A part of a table as of `tensors.bind`.
    """
    wrap = Transposed if transposed else str
    return {
        f"{side}blocks.{{i}}.{_PATHS.get(name, name)}": wrap(prefix + module)
        for name, module in names.items()
    }


def fused(module, *names, transposed=False):
    """A part of a table: one module for several dense layers of a block.

    Args:
        module: its name; `{i}` counts blocks.
        *names: the layers in their order, as of `blocks`.
        transposed: whether it is a Conv1D.

    Returns:
        A part of a table as of `tensors.bind`.
    """
    paths = tuple(f"blocks.{{i}}.{_PATHS[name]}" for name in names)
    return {module: Fused(module, paths, transposed)}

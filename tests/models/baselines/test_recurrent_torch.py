"""Agrees with torch's recurrent layers and the papers' equations."""

import numpy as np
import pytest

from keras_attention import AdditiveAttention, LuongAttention
from tests.models import small
from tests.models.baselines import small_recurrent
from tests.tools import near, to_numpy

torch = pytest.importorskip("torch", reason="the oracle")
HIDDEN = small_recurrent.SIZES["hidden_dim"]


def tensor(x):
    return torch.tensor(np.asarray(to_numpy(x)))


def copy_cell(ours, theirs, suffix=""):
    """Weights of a Keras cell into those of torch."""
    kernels = [tensor(ours.kernel).T, tensor(ours.recurrent_kernel).T]
    bias = tensor(ours.bias)
    if bias.ndim == 2:  # a GRU: update and reset gate the other way round
        order = [1, 0, 2]
        kernels = [torch.cat([k.chunk(3)[i] for i in order]) for k in kernels]
        biases = [torch.cat([b.chunk(3)[i] for i in order]) for b in bias]
    else:
        biases = [bias, torch.zeros_like(bias)]
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    for name, value in zip(names, [*kernels, *biases], strict=True):
        getattr(theirs, name + suffix).data.copy_(value)


def dense(layer, x):
    return x @ tensor(layer.kernel) + tensor(layer.bias)


def embed(part, ids):
    width = small_recurrent.SIZES["embedding_dim"]
    return tensor(part.embedding.weights[0])[ids] * width**0.5


def encode(encoder, ids):
    """Annotations and last states by a packed torch layer."""
    is_gru = encoder.cell == "gru"
    kind = torch.nn.GRU if is_gru else torch.nn.LSTM
    theirs = kind(
        encoder.embedding_dim,
        HIDDEN,
        encoder.num_layers,
        batch_first=True,
        bidirectional=encoder.bidirectional,
    )
    for index, layer in enumerate(encoder.recurrent_layers):
        if encoder.bidirectional:
            copy_cell(layer.forward_layer.cell, theirs, f"_l{index}")
            copy_cell(layer.backward_layer.cell, theirs, f"_l{index}_reverse")
        else:
            copy_cell(layer.cell, theirs, f"_l{index}")
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        embed(encoder, ids),
        torch.tensor((ids > 0).sum(axis=1)),
        batch_first=True,
        enforce_sorted=False,
    )
    hidden, states = theirs(packed)
    hidden, _ = torch.nn.utils.rnn.pad_packed_sequence(
        hidden, batch_first=True, total_length=ids.shape[1]
    )
    states = [states] if is_gru else states
    if encoder.bidirectional:
        states = [state[1::2] for state in states]
    return hidden, states


def context(attention, query, memory, mask):
    """Bahdanau's or Luong's context vector of one query per row."""
    kernel = tensor(attention.key_dense.kernel)[:, 0]
    keys = memory @ kernel + tensor(attention.key_dense.bias)[0]
    if isinstance(attention, AdditiveAttention):
        w = tensor(attention.query_dense.kernel)[:, 0]
        query = query @ w + tensor(attention.query_dense.bias)[0]
        v = tensor(attention.score_vector)[0]
        scores = torch.tanh(query[:, None] + keys) @ v
    else:
        scores = torch.einsum("bd,bsd->bs", query, keys)
    scores = scores.masked_fill(~torch.tensor(mask), -float("inf"))
    return torch.einsum("bs,bsd->bd", scores.softmax(dim=1), memory)


def decode(model, source, target):
    decoder, layer = model.decoder, model.decoder.recurrence
    memory, last = encode(model.encoder, source)
    states = [
        [state[index] for state in last] for index in range(layer.num_layers)
    ]
    if model.encoder.bidirectional:
        states = [
            [
                torch.tanh(dense(w, s)) if name == "hidden" else dense(w, s)
                for (name, w), s in zip(denses.items(), found, strict=True)
            ]
            for denses, found in zip(decoder.state_denses, states, strict=True)
        ]
    kind = torch.nn.GRUCell if layer.cell == "gru" else torch.nn.LSTMCell
    cells = []
    for cell in layer.cells:
        theirs = kind(cell.kernel.shape[0], HIDDEN)
        copy_cell(cell, theirs)
        cells.append(theirs)
    fed = torch.zeros(len(source), layer.output_dim)
    outputs, mask = [], source > 0
    for x in embed(decoder, target).unbind(dim=1):
        inputs = torch.cat([x, fed] if layer.input_feeding else [x], dim=1)
        before = layer.attention_order == "before"
        if before:
            found = context(layer.attention, states[-1][0], memory, mask)
            inputs = torch.cat([inputs, found], dim=1)
        for index, cell in enumerate(cells):
            if layer.cell == "gru":
                states[index] = [cell(inputs, states[index][0])]
            else:
                states[index] = list(cell(inputs, tuple(states[index])))
            inputs = states[index][0]
        if before:
            joined = torch.cat([inputs, x, found], dim=1)
            pieces = dense(layer.output_dense, joined).chunk(2, dim=1)
            fed = torch.maximum(*pieces)
        else:
            found = context(layer.attention, inputs, memory, mask)
            joined = torch.cat([found, inputs], dim=1)
            fed = torch.tanh(dense(layer.output_dense, joined))
        outputs.append(fed)
    logits = tensor(decoder.embedding.embedding.reverse_embeddings)
    return torch.stack(outputs, dim=1) @ logits


ADDITIVE = AdditiveAttention(1, 7, use_projections=False)
GENERAL = LuongAttention(1, use_projections=False)


@pytest.mark.few
@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize(
    "options",
    [
        {"attention": ADDITIVE, "attention_order": "before"},
        {"attention": ADDITIVE},
        {
            "attention": GENERAL,
            "input_feeding": True,
            "bidirectional": False,
        },
        {
            "attention": GENERAL,
            "input_feeding": True,
            "attention_order": "before",
        },
    ],
    ids=["bahdanau", "at once", "luong", "both"],
)
def test_logits(rng, cell, options):
    model = small_recurrent.model(
        rng, **{"attention_order": "after", **options, "cell": cell}
    )
    source, target = small.ids(rng, 7), small.ids(rng, 5, ragged=False)
    source[0, 6:] = 0
    with torch.no_grad():
        expected = decode(model, source, target)
    near(model(source, target), expected.numpy())

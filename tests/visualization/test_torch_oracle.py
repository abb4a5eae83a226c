"""The maps of a stack are the weights that torch's layers report."""

import numpy as np
import pytest

from keras_attention import attention_maps
from tests.models import small
from tests.tools import near, to_numpy

torch = pytest.importorskip("torch", reason="the oracle")
from tests.models import torch_weights  # noqa: E402


def test_an_encoder(rng):
    encoder, ids = small.encoder(rng, dropout=0.3), small.ids(rng)
    maps = attention_maps(encoder, ids)
    hidden = encoder.position.embed(encoder.embedding(ids), start=0)
    hidden, padding = torch.tensor(to_numpy(hidden)), torch.tensor(ids == 0)
    for index, block in enumerate(encoder.blocks):
        layer = torch.nn.TransformerEncoderLayer(
            small.DIM,
            small.HEADS,
            17,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        ).eval()
        torch_weights.copy_block(block, layer)
        with torch.no_grad():
            x = layer.norm1(hidden)
            _, weights = layer.self_attn(
                x,
                x,
                x,
                key_padding_mask=padding,
                average_attn_weights=False,
            )
            hidden = layer(hidden, src_key_padding_mask=padding)
        name = f"block_{index}/attention"
        seen = np.broadcast_to((ids > 0)[:, None, :, None], maps[name].shape)
        near(maps[name][seen], weights.numpy()[seen], 1e-4)

"""Random T5 and Pegasus models of Hugging Face, and ours with their weights."""

import numpy as np
import pytest

from keras_attention import (
    EncoderDecoder,
    FeedForward,
    MultiHeadAttention,
    T5RelativeBias,
    TokenEmbedding,
    TransformerDecoder,
    TransformerEncoder,
)

VOCABULARY, DIM, HEADS, MIDDLE, LAYERS = 13, 12, 3, 17, 2
END = 2


def t5(seed, padding_id=0, deviation=0.6, feed_forward="gated-gelu"):
    """Makes a pair of models, theirs and ours, that compute the same."""
    transformers = pytest.importorskip("transformers")
    config = transformers.T5Config(
        vocab_size=VOCABULARY,
        d_model=DIM,
        d_kv=5,
        d_ff=MIDDLE,
        num_layers=LAYERS,
        num_heads=HEADS,
        relative_attention_num_buckets=8,
        relative_attention_max_distance=11,
        feed_forward_proj=feed_forward,
        pad_token_id=padding_id,
        decoder_start_token_id=padding_id,
        eos_token_id=END,
    )
    theirs = _random(
        transformers.T5ForConditionalGeneration, config, seed, deviation
    )
    gated = feed_forward.startswith("gated")
    options = {
        "attention": MultiHeadAttention(HEADS, 5, use_bias=False),
        "feed_forward": FeedForward(
            MIDDLE, "geglu_tanh" if gated else "relu", use_bias=False
        ),
        "normalization": "rms_norm",
        "position": T5RelativeBias(8, 11, scaled=False),
    }
    ours = _ours(padding_id, scale=False, **options)
    shared = _array(theirs.shared.weight)
    ours.encoder.embedding.embedding.embeddings.assign(shared)
    for stack, model in (
        (theirs.encoder, ours.encoder),
        (theirs.decoder, ours.decoder),
    ):
        first = stack.block[0].layer[0].SelfAttention
        model.position.table.assign(
            _array(first.relative_attention_bias.weight)
        )
        for block, layers in zip(model.blocks, stack.block, strict=True):
            layers = list(layers.layer)
            _t5_attention(layers[0].SelfAttention, block.attention)
            if block.cross_attention is not None:
                cross = layers[1].EncDecAttention
                # Ours divides the scores by the root of the head's width.
                _t5_attention(cross, block.cross_attention, 5**0.5)
            dense = layers[-1].DenseReluDense
            network = block.feed_forward
            if gated:
                _linear(dense.wi_0, network.gate_dense)
            _linear(dense.wi_1 if gated else dense.wi, network.up_dense)
            _linear(dense.wo, network.down_dense)
            for layer, norm in zip(layers, block.norms, strict=True):
                norm.set_weights([_array(layer.layer_norm.weight)])
        norm = _array(stack.final_layer_norm.weight)
        if model is ours.decoder:  # T5 scales what is mapped to logits.
            norm = norm * DIM**-0.5
        model.final_norm.set_weights([norm])
    return theirs, ours


def pegasus(seed, padding_id=0, deviation=0.6):
    """Makes a pair of models, theirs and ours, that compute the same."""
    transformers = pytest.importorskip("transformers")
    config = transformers.PegasusConfig(
        vocab_size=VOCABULARY,
        d_model=DIM,
        encoder_layers=LAYERS,
        decoder_layers=LAYERS,
        encoder_attention_heads=HEADS,
        decoder_attention_heads=HEADS,
        encoder_ffn_dim=MIDDLE,
        decoder_ffn_dim=MIDDLE,
        activation_function="relu",
        scale_embedding=True,
        pad_token_id=padding_id,
        decoder_start_token_id=padding_id,
        eos_token_id=END,
        forced_eos_token_id=None,
        attn_implementation="eager",
    )
    theirs = _random(
        transformers.PegasusForConditionalGeneration, config, seed, deviation
    )
    ours = _ours(padding_id, scale=True, feed_forward="relu")
    shared = _array(theirs.model.shared.weight)
    ours.encoder.embedding.embedding.embeddings.assign(shared)
    for stack, model in (
        (theirs.model.encoder, ours.encoder),
        (theirs.model.decoder, ours.decoder),
    ):
        for block, layer in zip(model.blocks, stack.layers, strict=True):
            _bart_attention(layer.self_attn, block.attention)
            norms = [layer.self_attn_layer_norm, layer.final_layer_norm]
            if block.cross_attention is not None:
                _bart_attention(layer.encoder_attn, block.cross_attention)
                norms.insert(1, layer.encoder_attn_layer_norm)
            _linear(layer.fc1, block.feed_forward.up_dense)
            _linear(layer.fc2, block.feed_forward.down_dense)
            for norm, own in zip(norms, block.norms, strict=True):
                own.set_weights([_array(norm.weight), _array(norm.bias)])
        model.final_norm.set_weights(
            [_array(stack.layer_norm.weight), _array(stack.layer_norm.bias)]
        )
    return theirs, ours


def _random(cls, config, seed, deviation):
    import torch

    torch.manual_seed(seed)
    model = cls._from_config(config).eval()
    for parameter in model.parameters():
        # As initialized, all tokens would be about equally probable.
        if parameter.requires_grad:
            around = 0.0 if parameter.ndim == 2 else parameter.mean().item()
            torch.nn.init.normal_(parameter, mean=around, std=deviation)
    return model


def _ours(padding_id, scale, **options):
    embedding = TokenEmbedding(
        VOCABULARY, DIM, scale=scale, padding_id=padding_id
    )
    sizes = (VOCABULARY, LAYERS, DIM, HEADS)
    options = {**options, "intermediate_dim": MIDDLE, "embedding": embedding}
    encoder = TransformerEncoder(*sizes, **options)
    cross = options.get("attention", "multi_head")
    decoder = TransformerDecoder(*sizes, cross_attention=cross, **options)
    return EncoderDecoder(encoder, decoder)


def _array(parameter):
    return parameter.detach().numpy()


def _linear(theirs, ours, scale=1.0):
    shape = ours.kernel.shape
    ours.kernel.assign(scale * _array(theirs.weight).T.reshape(shape))
    if ours.bias is not None:
        ours.bias.assign(scale * _array(theirs.bias).reshape(ours.bias.shape))


def _t5_attention(theirs, ours, scale=1.0):
    _linear(theirs.q, ours.query_dense, scale)
    _linear(theirs.k, ours.key_dense)
    _linear(theirs.v, ours.value_dense)
    _linear(theirs.o, ours.output_dense)


def _bart_attention(theirs, ours):
    _linear(theirs.q_proj, ours.query_dense)
    _linear(theirs.k_proj, ours.key_dense)
    _linear(theirs.v_proj, ours.value_dense)
    _linear(theirs.out_proj, ours.output_dense)


def sources(padding_id, batch_size=3, length=6, seed=1):
    """Ragged sources, none of which holds the padding id before its end."""
    rng = np.random.default_rng(seed)
    known = [i for i in range(VOCABULARY) if i not in (padding_id, END)]
    rows = rng.choice(known, size=(batch_size, length))
    for row, end in enumerate(rng.integers(2, length, size=batch_size)):
        rows[row, end] = END
        rows[row, end + 1 :] = padding_id
    return rows


def their_logits(model, source_ids, target_ids, padding_id):
    """Logits `(batch, target_length, VOCABULARY)` as NumPy."""
    import torch

    with torch.no_grad():
        output = model(
            input_ids=torch.tensor(source_ids),
            attention_mask=torch.tensor(source_ids != padding_id).long(),
            decoder_input_ids=torch.tensor(target_ids),
        )
    return output.logits.numpy()


def their_search(model, source_ids, padding_id, num_beams, max_length):
    """The tokens of each row up to its end, as lists, by `generate`."""
    import torch

    found = model.generate(
        torch.tensor(source_ids),
        attention_mask=torch.tensor(source_ids != padding_id).long(),
        max_length=max_length,
        num_beams=num_beams,
        do_sample=False,
        early_stopping=False,
        length_penalty=1.0,
    )
    return up_to_end(found.numpy())


def up_to_end(token_ids):
    """Cuts rows behind their end token: what fills them up may differ."""
    rows = []
    for row in np.asarray(token_ids).tolist():
        rows.append(row[: row.index(END) + 1] if END in row else row)
    return rows

"""Models of an encoder and a decoder."""

from tests.zoo.case import PAIRS, VOCABULARY, Case

_BART = {
    "vocab_size": VOCABULARY,
    "d_model": 24,
    "encoder_layers": 2,
    "decoder_layers": 1,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 31,
    "decoder_ffn_dim": 29,
    "max_position_embeddings": 16,
    "pad_token_id": 1,
    "decoder_start_token_id": 2,
}
_OTHER = {
    **_BART,
    "encoder_layers": 1,
    "decoder_layers": 3,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 6,
    "activation_function": "relu",
    "scale_embedding": True,
    "max_position_embeddings": 13,
    "pad_token_id": 2,
    "tie_word_embeddings": False,
}
_LED = {
    **_BART,
    "attention_window": 4,
    "max_encoder_position_embeddings": 16,
    "max_decoder_position_embeddings": 11,
}
_T5 = {
    "vocab_size": VOCABULARY,
    "d_model": 24,
    "d_kv": 5,
    "d_ff": 31,
    "num_layers": 2,
    "num_heads": 4,
    "pad_token_id": 0,
    "decoder_start_token_id": 0,
    "feed_forward_proj": "relu",
}
_LATER_T5 = {
    **_T5,
    "d_kv": 7,
    "num_layers": 1,
    "num_decoder_layers": 3,
    "num_heads": 3,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 6,
    "layer_norm_epsilon": 1e-3,
    "feed_forward_proj": "gated-gelu",
    "pad_token_id": 1,
    "tie_word_embeddings": False,
}


def _pair(family, entries, **changes):
    encoders = ("TransformerEncoder",) if "t5" in family else ()
    return Case(family, {**entries, **changes}, (*PAIRS, *encoders))


CASES = {
    "bart": _pair("bart", _BART),
    "bart_other": _pair("bart", _OTHER),
    "t5": _pair("t5", _T5),
    "t5_later": _pair("t5", _LATER_T5),
    # Of which `transformers` itself makes models.
    "t5_silu": _pair("t5", _T5, feed_forward_proj="gated-silu"),
    "mt5": _pair("mt5", _T5),
    "mt5_later": _pair("mt5", _LATER_T5),
    # Marian starts with the padding id.
    "marian": _pair("marian", _BART, decoder_start_token_id=1),
    "marian_other": _pair(
        "marian", _OTHER, activation_function="swish", decoder_start_token_id=2
    ),
    "marian_two_vocabularies": _pair(
        "marian",
        _BART,
        share_encoder_decoder_embeddings=False,
        decoder_vocab_size=41,
    ),
    "pegasus": _pair("pegasus", _BART, decoder_start_token_id=1),
    "pegasus_other": _pair("pegasus", _OTHER),
    "mbart": _pair("mbart", _BART),
    "mbart_other": _pair("mbart", _OTHER),
    "m2m_100": _pair("m2m_100", _BART),
    "m2m_100_other": _pair(
        "m2m_100",
        _OTHER,
        scale_embedding=False,
        activation_function="gelu",
        decoder_start_token_id=3,
    ),
    "led": _pair("led", _LED),
    "led_other": Case(
        "led",
        {
            **_LED,
            **_OTHER,
            "scale_embedding": False,
            "encoder_layers": 2,
            "attention_window": [4, 6],
        },
        PAIRS,
        ("global_mask",),
    ),
}

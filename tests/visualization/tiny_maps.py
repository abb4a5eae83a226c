"""Maps made by hand, whose numbers are known."""

from keras_attention.visualization import AttentionMaps

TRICKY = "</script><b id=broken>&amp;"


def make(rng, lengths=(5, 4), heads=3, batch_size=1, layers=2, scale=1.0):
    """Random weights with words on both sides."""
    maps = AttentionMaps()
    queries, keys = lengths
    for index in range(layers):
        name = f"decoder/block_{index}/cross_attention"
        drawn = rng.gamma(0.3, size=(batch_size, heads, queries, keys)) + 1e-9
        drawn /= drawn.sum(axis=-1, keepdims=True)
        maps[name] = (scale * drawn).astype("float32")
        maps.query_tokens[name] = [
            [f" q{i}" for i in range(queries)] for _ in range(batch_size)
        ]
        maps.key_tokens[name] = [
            [" Größe", TRICKY, *(f" k{i}" for i in range(keys - 2))]
            for _ in range(batch_size)
        ]
        maps.query_masks[name] = maps.key_masks[name] = None
        maps.across.append(name)
    return maps

"""Pictures: what is drawn, and what stays as it was."""

import numpy as np
import pytest

from keras_attention import plot_attention
from tests.visualization import tiny_maps

matplotlib = pytest.importorskip("matplotlib")

LAYERS = [f"decoder/block_{i}/cross_attention" for i in range(2)]


def images(figure):
    return [
        np.asarray(axis.images[0].get_array())
        for axis in figure.axes
        if axis.images
    ]


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_the_alignment_has_words_on_both_axes(rng, tmp_path):
    maps = tiny_maps.make(rng)
    path = tmp_path / "new" / "alignment.png"
    figure = plot_attention(maps, path, layers=LAYERS[1])
    assert path.read_bytes().startswith(b"\x89PNG")
    assert list(path.parent.iterdir()) == [path]
    axis = figure.axes[0]
    assert labels(axis.yaxis) == [f"q{i}" for i in range(5)]
    assert labels(axis.xaxis)[0] == "Größe"
    np.testing.assert_allclose(
        images(figure)[0], maps[LAYERS[1]][0].mean(axis=0), rtol=1e-6
    )


def test_all_layers_and_heads_make_a_grid(rng, tmp_path):
    maps = tiny_maps.make(rng)
    figure = plot_attention(maps, tmp_path / "grid.png")
    expected = [head for name in LAYERS for head in maps[name][0]]
    for found, wanted in zip(images(figure), expected, strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert len(images(plot_attention(maps, heads=np.array([0, 2])))) == 4
    assert len(images(plot_attention(maps, layers=LAYERS[:1], heads=1))) == 1


def test_padding_is_left_out(rng):
    maps = tiny_maps.make(rng, batch_size=2)
    maps.key_masks[LAYERS[0]] = np.array([[1, 1, 1, 1], [1, 1, 0, 0]], bool)
    figure = plot_attention(maps, layers=LAYERS[0], row=1)
    assert images(figure)[0].shape == (5, 2)


def test_negative_weights_and_signs_of_mathematics(rng, tmp_path):
    maps = tiny_maps.make(rng)
    maps[LAYERS[0]] -= 0.4
    maps.key_tokens[LAYERS[0]] = [["$x_", "\n", "", "a" * 99]]
    figure = plot_attention(maps, tmp_path / "a.png", layers=LAYERS[0])
    found = labels(figure.axes[0].xaxis)
    assert found[:3] == ["$x_", "⏎", "␣"] and len(found[3]) == 30
    lowest, highest = figure.axes[0].images[0].get_clim()
    assert lowest == -highest < 0


def test_long_sequences_stay_in_bounds(rng, tmp_path):
    maps = tiny_maps.make(rng, (400, 300))
    figure = plot_attention(maps, layers=LAYERS[0])
    assert max(figure.get_size_inches()) <= 26
    assert len(labels(figure.axes[0].xaxis)) <= 100


def test_characters_without_a_glyph_bring_one_warning(rng, tmp_path):
    maps = tiny_maps.make(rng)
    maps.key_tokens[LAYERS[0]] = [["a", "\U00010380", "\U00010381", "b"]]
    with pytest.warns(UserWarning, match="no glyphs for 2 of") as caught:
        plot_attention(maps, tmp_path / "map.png", layers=LAYERS[0])
    assert len(caught) == 1


def test_matplotlib_stays_as_the_user_has_it(rng):
    backend = matplotlib.rcParams._get_backend_or_none()
    before = dict(matplotlib.rcParams.copy())
    plot_attention(tiny_maps.make(rng))
    assert matplotlib.rcParams._get_backend_or_none() == backend
    assert dict(matplotlib.rcParams.copy()) == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"row": 1}, "row must be an integer from 0 to 0"),
        ({"row": False}, "row must be an integer"),
        ({"layers": "encoder"}, "layer must be one of"),
        ({"layers": []}, "layers must name"),
        ({"heads": 3}, "heads of .* go from 0 to 2"),
        ({"heads": "first"}, "heads must be"),
        ({"heads": 1.5}, "heads must be"),
        ({"heads": []}, "heads must be"),
        ({"heads": [0, "mean"]}, "heads must be"),
        ({"heads": True}, "heads must be"),
    ],
)
def test_what_there_is_not_is_refused(rng, options, message):
    with pytest.raises(ValueError, match=message):
        plot_attention(tiny_maps.make(rng), **options)

"""Images of a folder: odd files are named or counted."""

import numpy as np
import pytest
from PIL import Image

from keras_attention.data import DataError, load_images


def test_images_of_16_bits_and_other_files(tmp_path):
    folder = tmp_path / "train" / "a"
    folder.mkdir(parents=True)
    pixels = np.array([[0, 257, 65535], [2570, 514, 771]], "uint16")
    Image.fromarray(pixels).save(folder / "0.png")
    (folder / "notes.txt").write_text("none")
    with pytest.warns(UserWarning, match="Left out 1 files.*notes.txt"):
        found, labels = load_images(f"files:{tmp_path}", "train")
    assert found[0, :, :, 0].tolist() == [[0, 1, 255], [10, 2, 3]]
    assert found.dtype == "uint8" and labels == ["a"]


@pytest.mark.parametrize("ending", ["gif", "png", "webp", "tiff"])
def test_of_an_animation_the_first_frame_is_taken_and_told(tmp_path, ending):
    folder = tmp_path / "train" / "a"
    folder.mkdir(parents=True)
    frames = [Image.new("L", (3, 2), gray) for gray in (0, 255, 85)]
    frames[0].copy().save(folder / "single.png")
    for name in ("1.png", "2.gif"):  # what it holds counts, not its name
        frames[1].save(
            folder / name,
            format=ending,
            save_all=True,
            append_images=frames[::2],
            **({"lossless": True} if ending == "webp" else {}),
        )
    expected = r"first frame alone of 2 images that have several: .*/1.png, .*2"
    with pytest.warns(UserWarning, match=expected) as caught:
        found, _ = load_images(f"files:{tmp_path}", "train")
    assert len(caught) == 1
    assert found[:2].min() == 255 and not found[2].any()


def test_links_to_nothing_are_counted_and_named(tmp_path):
    folder = tmp_path / "train" / "a"
    folder.mkdir(parents=True)
    Image.new("L", (3, 2)).save(folder / "0.png")
    (folder / "1.png").symlink_to(folder / "0.png")
    assert len(load_images(f"files:{tmp_path}", "train")[1]) == 2
    (folder / "2.png").symlink_to(folder / "gone.png")
    (folder / "3.png").symlink_to(folder / "3.png")
    with pytest.raises(
        DataError, match="2 of 4 images cannot .*2.png, .*3.png"
    ):
        load_images(f"files:{tmp_path}", "train")
    for name in ("2.png", "3.png"):
        (folder / name).unlink()
    (folder / "notes.txt").symlink_to(folder / "gone.txt")
    with pytest.warns(UserWarning, match="Left out 1 files.*notes.txt"):
        load_images(f"files:{tmp_path}", "train")
    (tmp_path / "train" / "b").symlink_to(tmp_path / "gone")
    with pytest.raises(DataError, match="1 links among the folders .*train/b"):
        load_images(f"files:{tmp_path}", "train")

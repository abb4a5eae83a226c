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


def write(path, shape, gray=0, mode="L"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, shape, gray).save(path)


def test_what_is_hidden_is_passed_over(tmp_path):
    write(tmp_path / "train" / "a" / "0.png", (3, 2))
    write(tmp_path / "train" / "a" / ".0.png", (9, 9))
    (tmp_path / "train" / "a" / ".DS_Store").write_bytes(b"")
    (tmp_path / "train" / ".ipynb_checkpoints").mkdir()
    found, labels = load_images(f"files:{tmp_path}", "train")
    assert found.shape == (1, 2, 3, 1) and labels == ["a"]


def test_images_are_resized_as_pillow_does(tmp_path, rng):
    pixels = rng.integers(0, 256, (40, 30, 3)).astype("uint8")
    image = Image.fromarray(pixels)
    (tmp_path / "train" / "a").mkdir(parents=True)
    image.save(tmp_path / "train" / "a" / "0.png")
    write(tmp_path / "train" / "a" / "1.png", (5, 8), 77)
    with pytest.raises(DataError, match="--image-size"):
        load_images(f"files:{tmp_path}", "train")
    found, _ = load_images(f"files:{tmp_path}", "train", (10, 20))
    assert found.shape == (2, 10, 20, 3) and (found[1] == 77).all()
    expected = image.resize((20, 10), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(found[0], np.asarray(expected))
    # Every pixel counts, as it does in a mean.
    small, _ = load_images(f"files:{tmp_path}", "train", (1, 1))
    assert abs(small[0].mean() - pixels.mean()) < 3


def test_a_folder_of_classes_alone_is_all_for_training(tmp_path):
    for name in ("cats", "dogs"):
        write(tmp_path / name / "0.png", (3, 2))
    _, labels = load_images(f"files:{tmp_path}", "train")
    assert labels == ["cats", "dogs"]
    with pytest.raises(DataError, match="no folder 'test' .*: cats, dogs"):
        load_images(f"files:{tmp_path}", "test")
    write(tmp_path / "val" / "cats" / "0.png", (3, 2))
    with pytest.raises(DataError, match="no folder 'train'"):
        load_images(f"files:{tmp_path}", "train")

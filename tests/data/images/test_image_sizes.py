"""Images that would take more memory than there is are not decoded."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from keras_attention.data import DataError
from keras_attention.data.images import image_sizes
from keras_attention.data.images.loading import read_all


def bomb(path, width, height):
    """Writes the beginning of a PNG of one color."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )
    return path


@pytest.fixture
def undecoded(monkeypatch):
    """Fails where an image is decoded."""

    def fail(*_):
        raise AssertionError("decoded")

    monkeypatch.setattr(Image.Image, "convert", fail)


@pytest.mark.parametrize("side", [8193, 10_000, 20_000, 100_000])
def test_an_image_of_too_many_pixels_is_named(tmp_path, side, undecoded):
    Image.new("L", (8, 8)).save(small := tmp_path / "small.png")
    large = bomb(tmp_path / "large.png", side, side)
    with pytest.raises(
        DataError, match=r"1 of 2 .*67,108,864.*large\.png"
    ) as e:
        read_all([small, large])
    numbers = (f"{side}x{side}", f"{side**2} pixels")
    assert any(number in str(e.value) for number in numbers)


def test_many_images_are_counted_together(tmp_path, monkeypatch, undecoded):
    paths = [bomb(tmp_path / f"{i}.png", 8192, 8192) for i in range(5)]
    monkeypatch.setattr(image_sizes, "machine_memory", lambda: 2**29)
    with pytest.raises(DataError, match=r"5 images .* 1\.9 GiB.* 0\.5 GiB"):
        read_all(paths)


def test_an_image_at_the_bound_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(image_sizes, "MOST_PIXELS", 6)
    Image.fromarray(np.arange(6, dtype="uint8").reshape(2, 3)).save(
        path := tmp_path / "a.png"
    )
    np.testing.assert_array_equal(read_all([path])[0, ..., 0].ravel(), range(6))

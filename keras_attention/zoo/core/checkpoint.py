"""The tensors of a folder that somebody published."""

import contextlib
import fnmatch
from pathlib import Path

from keras_attention import hdf5
from keras_attention.json_files import read_json
from keras_attention.zoo.core import safetensors, tensorflow_files
from keras_attention.zoo.core.quantized import dequantized

WEIGHTS = "model.safetensors"
TF_WEIGHTS = "tf_model.h5"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.msgpack")


@contextlib.contextmanager
def opened(folder):
    """Finds the tensors in a folder, without reading them.

    `model.safetensors` is preferred to `tf_model.h5`, and either may be in
    shards, with an index.

    Args:
        folder: `pathlib.Path`.

    Yields:
        A dictionary from name to `safetensors.Stored`, to be loaded while the
        context is open.

    Raises:
        ValueError: if there are none, they are only in a format that can run
            code, or a file is truncated or missing; or if two shards have one
            name.
    """
    with contextlib.ExitStack() as stack:
        for name, lister in (
            (WEIGHTS, _list_safetensors),
            (TF_WEIGHTS, _list_hdf5),
        ):
            paths = _shards(folder, name)
            if paths:
                tensors = {}
                for path in paths:
                    for key, entry in lister(path, stack).items():
                        _add(tensors, _renamed(key), entry)
                yield dequantized(tensors)
                return
        raise ValueError(_no_weights(folder))


def _add(tensors, name, entry):
    """Adds a tensor, which may not be in another shard too."""
    # TensorFlow's files have a matrix of several layers with each of them.
    path = entry.path
    known = tensors.setdefault(name, entry)
    if known.path != path and path.suffix == ".safetensors":
        raise ValueError(f"{name} is in {known.path} and in {path.name} too.")
    tensors[name] = entry


def _renamed(name):
    """What PyTorch calls a tensor that has the name of TensorFlow.

    The first files of BERT, which its hub still has, say gamma and beta.
    """
    for old, new in ((".gamma", ".weight"), (".beta", ".bias")):
        if name.endswith(f"LayerNorm{old}"):
            return name.removesuffix(old) + new
    return name


def _list_safetensors(path, stack):
    return safetensors.list_tensors(path)


def _list_hdf5(path, stack):
    try:
        _, arrays = stack.enter_context(hdf5.reading(path))
    except OSError as error:
        raise ValueError(
            f"{path} is truncated or no HDF5 file: {error}"
        ) from None
    return tensorflow_files.list_tensors(path, arrays)


def _shards(folder, name):
    """Lists the files that hold what one name stands for."""
    if (folder / name).is_file():
        return [folder / name]
    index = folder / f"{name}.index.json"
    if not index.is_file():
        return []
    content = read_json(index)
    places = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(places, dict) or not all(
        isinstance(shard, str) for shard in places.values()
    ):
        raise ValueError(
            f"{index} must hold a weight_map from tensors to files."
        )
    paths = []
    for shard in sorted(set(places.values())):
        # Names alone: an index may be a stranger's.
        if Path(shard).name != shard or shard in (".", ".."):
            raise ValueError(
                f"{index} names a file outside of its folder: {shard!r}"
            )
        if not (folder / shard).is_file():
            raise ValueError(f"{index} names {shard!r}, which is missing.")
        paths.append(folder / shard)
    return paths


def _no_weights(folder):
    """Says why a folder has no tensors that can be read."""
    names = sorted(path.name for path in folder.iterdir())
    pickles = [
        name
        for name in names
        if any(fnmatch.fnmatch(name, pattern) for pattern in _PICKLES)
    ]
    message = f"No weights in {folder}: neither {WEIGHTS} nor {TF_WEIGHTS}."
    if pickles:
        message += (
            f" {pickles[0]} can run code when it is opened, and is not read. "
            "Convert it once where you trust it: AutoModel.from_pretrained("
            "folder).save_pretrained(folder) of transformers writes "
            f"{WEIGHTS}."
        )
    return message

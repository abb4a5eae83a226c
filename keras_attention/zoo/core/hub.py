"""Folders of the Hugging Face hub."""

import re
from pathlib import Path

from keras_attention import optional

SCHEME = "hf://"
_HANDLE = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
_LIKE_ONE = re.compile(
    r"(?:(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/|hf:/*)?"
    r"(\w[\w.-]*/\w[\w.-]*)/?"
)
_SMALL = ["*.json", "*.model", "*.txt", "*.jinja"]
# Copies of the weights for other programs, as large as they.
_IGNORED = ["*/*.safetensors", "*/*.h5", "consolidated*"]


def fetch(handle):
    """Brings what a model needs of a repository onto this machine.

    The cache, working without a network, and tokens are those of
    `huggingface_hub`.

    Args:
        handle: `"hf://owner/name"` or `"hf://owner/name@revision"`.

    Returns:
        `pathlib.Path` of a folder.

    Raises:
        ValueError: if the handle is none, or nothing is found there.
    """
    found = _HANDLE.fullmatch(handle)
    if found is None:
        raise ValueError(
            "A handle of the Hugging Face hub is hf://owner/name or "
            f"hf://owner/name@revision. Received: {handle!r}"
        )
    name, revision = found.groups()
    hub = optional.load("huggingface_hub", f"Reading {handle}")
    for weights in ("*.safetensors", "tf_model*.h5"):
        try:
            folder = hub.snapshot_download(
                name,
                revision=revision,
                allow_patterns=[*_SMALL, weights],
                ignore_patterns=_IGNORED,
            )
        except OSError as error:
            reason = (str(error).strip() or repr(error)).splitlines()[0]
            raise ValueError(f"{handle} cannot be read: {reason}") from error
        folder = Path(folder)
        if any(folder.glob(weights)):
            break
    return folder


def hint(path):
    """Ends the message on a folder that is not there, if it may be a handle.

    Args:
        path: what was given as a folder.

    Returns:
        A string, empty where it is like no handle.
    """
    found = _LIKE_ONE.fullmatch(str(path))
    if found is None or Path(path).exists():
        return ""
    return f" On the Hugging Face hub it would be {SCHEME + found[1]!r}."

"""What a folder of Sentence Transformers says of its embeddings."""

import re

from keras_attention.checks import did_you_mean
from keras_attention.json_files import read_json
from keras_attention.tasks.embedding import dense_modules

MODULES = "modules.json"
PROMPTS = "config_sentence_transformers.json"
INPUTS = "sentence_*_config.json"  # by the model's family
# Modules that change nothing when a model is used.
_HARMLESS = {"Dropout"}
_KNOWN = ("Transformer", "Pooling", "Dense", "Normalize", *_HARMLESS)
# Entries of a pooling module, in the order in which results are joined.
_POOLING = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}


def model_folder(folder):
    """Finds where the module Transformer has its files.

    Args:
        folder: `pathlib.Path`.

    Returns:
        `pathlib.Path`; `folder` itself where it says nothing of modules.

    Raises:
        ValueError: as `read_settings`.
    """
    modules = _list_modules(folder)
    return folder / modules[0][1] if modules else folder


def read_settings(folder):
    """Reads settings of a `TextEmbedder`.

    Args:
        folder: `pathlib.Path`.

    Returns:
        A dictionary; empty for a folder that says nothing of embeddings.

    Raises:
        ValueError: for a module that is none of a Transformer, pooling,
            projections and normalization, or a file of another form.
    """
    return {
        **_read_modules(folder),
        **_read_prompts(folder),
        **_read_inputs(model_folder(folder)),
    }


def _list_modules(folder):
    """Lists `(kind, path)` of the modules, in a known order."""
    path = folder / MODULES
    if not path.is_file():
        return []
    modules = read_json(path)
    valid = isinstance(modules, list) and all(
        isinstance(x, dict)
        and isinstance(x.get("type"), str)
        and isinstance(x.get("path", ""), str)
        for x in modules
    )
    if not valid:
        raise ValueError(f"{path} must be a list of modules with a type.")
    found = [(x["type"].rpartition(".")[2], x.get("path", "")) for x in modules]
    for kind, _ in found:
        if kind not in _KNOWN:
            raise ValueError(
                f"{path} has a module {kind!r}, which no TextEmbedder has; "
                f"known are {', '.join(_KNOWN)}.{did_you_mean(kind, _KNOWN)}"
            )
    found = [x for x in found if x[0] not in _HARMLESS]
    names = " ".join(kind for kind, _ in found)
    if not re.fullmatch("Transformer Pooling( Dense)*( Normalize)?", names):
        raise ValueError(
            f"{path} must have the modules Transformer and Pooling, then any "
            "number of Dense, and Normalize or nothing behind them. Received: "
            f"{names.replace(' ', ', ') or 'none'}"
        )
    return found


def _read_modules(folder):
    modules = _list_modules(folder)
    if not modules:
        return {}
    _, (_, pooling), *others = modules
    settings = _read_pooling(folder / (pooling or "1_Pooling"))
    dense = [folder / path for kind, path in others if kind == "Dense"]
    if dense:
        settings["projections"] = [dense_modules.read(x) for x in dense]
    return {**settings, "normalize": modules[-1][0] == "Normalize"}


def _read_pooling(folder):
    path = folder / "config.json"
    config = _dictionary(path)
    if not config.get("include_prompt", True):
        raise ValueError(
            f"{path} leaves the ids of prompts out of the mean "
            "(include_prompt=false), which no TextEmbedder does."
        )
    named = config.get("pooling_mode")
    found = named.split("+") if isinstance(named, str) else named
    if not found:
        found = [x for name, x in _POOLING.items() if config.get(name)]
    known = {*_POOLING, "pooling_mode"}
    others = [x for x in config if x.startswith("pooling_mode")]
    others = [x for x in others if x not in known and config[x]]
    if others or not found:
        raise ValueError(
            f"{path} must set one of {', '.join(_POOLING)}. Received: "
            f"{', '.join(others) or 'none of them'}"
        )
    return {"pooling": found}


def _read_prompts(folder):
    path = folder / PROMPTS
    config = _dictionary(path) if path.is_file() else {}
    prompts = config.get("prompts")
    settings = {
        "prompts": prompts,
        "default_prompt": config.get("default_prompt_name"),
        "similarity": config.get("similarity_fn_name"),
    }
    return {name: x for name, x in settings.items() if x}


def _read_inputs(folder):
    paths = sorted(folder.glob(INPUTS))
    config = _dictionary(paths[0]) if paths else {}
    settings = {
        "max_length": config.get("max_seq_length"),
        "lowercase": config.get("do_lower_case"),
    }
    return {name: x for name, x in settings.items() if x}


def _dictionary(path):
    if not path.is_file():
        raise ValueError(f"{path} is missing.")
    content = read_json(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no object.")
    return content

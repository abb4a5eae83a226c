"""How a published model generates: its `generation_config.json`."""

import json

from keras_attention import files
from keras_attention.json_files import read_json

FILE = "generation_config.json"
# Entries that say how to generate, and their values where nothing is said. Old
# folders have them in their config.json.
DEFAULTS = {
    "assistant_ensemble_weight": None,
    "bad_words_ids": None,
    "begin_suppress_tokens": None,
    "bos_token_id": None,
    "constraints": None,
    "decoder_start_token_id": None,
    "diversity_penalty": 0.0,
    "do_sample": False,
    "dola_layers": None,
    "early_stopping": False,
    "encoder_no_repeat_ngram_size": 0,
    "encoder_repetition_penalty": 1.0,
    "eos_token_id": None,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "exponential_decay_length_penalty": None,
    "force_bos_token_to_be_generated": False,
    "force_words_ids": None,
    "forced_bos_token_id": None,
    "forced_decoder_ids": None,
    "forced_eos_token_id": None,
    "guidance_scale": 1.0,
    "length_penalty": 1.0,
    "max_length": None,
    "max_new_tokens": None,
    "max_time": None,
    "min_length": 0,
    "min_new_tokens": None,
    "min_p": None,
    "no_repeat_ngram_size": 0,
    "num_beam_groups": 1,
    "num_beams": 1,
    "num_return_sequences": 1,
    "pad_token_id": None,
    "penalty_alpha": 0.0,
    "renormalize_logits": False,
    "repetition_penalty": 1.0,
    "sequence_bias": None,
    "stop_strings": None,
    "suppress_tokens": None,
    "temperature": 1.0,
    "token_healing": False,
    "top_h": None,
    "top_k": 50,
    "top_p": 1.0,
    "typical_p": 1.0,
    "use_mtp": False,
    "watermarking_config": None,
}
# Entries that change how tokens are computed or given back, not which.
HARMLESS = {
    "_commit_hash",
    "_from_model_config",
    "assistant_confidence_threshold",
    "assistant_early_exit",
    "assistant_lookbehind",
    "cache_config",
    "cache_implementation",
    "compile_config",
    "continuous_batching_config",
    "disable_compile",
    "is_assistant",
    "low_memory",
    "max_cache_len",
    "max_matching_ngram_size",
    "num_assistant_tokens",
    "num_assistant_tokens_schedule",
    "output_attentions",
    "output_hidden_states",
    "output_logits",
    "output_scores",
    "prefill_chunk_size",
    "prompt_lookup_num_tokens",
    "remove_invalid_values",
    "return_dict_in_generate",
    "speculation_type",
    "target_lookbehind",
    "transformers_version",
    "use_cache",
}


def read(folder, entries):
    """Reads how the model of a folder generates.

    Args:
        folder: `pathlib.Path`, or None where there is no folder.
        entries: dictionary, the content of its `config.json`.

    Returns:
        A dictionary: the content of `generation_config.json`, or without such a
        file the entries of `config.json` that belong there.

    Raises:
        ValueError: if the file holds no object of JSON.
    """
    if folder is not None and (folder / FILE).is_file():
        content = read_json(folder / FILE)
        if not isinstance(content, dict):
            raise ValueError(
                f"{folder / FILE} must hold an object. Received: "
                f"{type(content).__name__}"
            )
        return content
    return {n: entries[n] for n in DEFAULTS if entries.get(n) is not None}


def write(folder, entries):
    """Writes `generation_config.json` into a folder, or removes an earlier one.

    Args:
        folder: `pathlib.Path`.
        entries: dictionary; for none, or an empty one, there is no file.
    """
    if not entries:
        (folder / FILE).unlink(missing_ok=True)  # of another model
    else:
        with files.replacing(folder / FILE) as path:
            path.write_text(json.dumps(entries, indent=2), encoding="utf-8")

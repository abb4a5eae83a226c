"""Tiny models in place of those on the Hugging Face hub."""

from tests.data.tokenizers import folders
from tests.zoo import oracle


def fetch_into(place):
    """Makes what gives folders for handles of the hub, as `hub.fetch` does.

    Args:
        place: `pathlib.Path`, where the folders go.

    Returns:
        A function from a handle to the folder of a BERT or a RoBERTa with a
        tokenizer.
    """

    def fetch(handle):
        family = "Roberta" if "roberta" in handle else "Bert"
        folder = place / family
        if not folder.exists():
            package = oracle.transformers()
            if family == "Bert":
                folders.word_piece(folder)
            else:
                folders.byte_level(folder, family)
            config = getattr(package, f"{family}Config")(
                vocab_size=600,
                hidden_size=24,
                num_hidden_layers=1,
                num_attention_heads=12,
                intermediate_size=30,
                max_position_embeddings=514,
            )
            made = getattr(package, f"{family}ForMaskedLM")(config)
            made.save_pretrained(folder)
        return folder

    return fetch

"""Where a classifier's examples come from."""

import types

from keras_attention.runs.classification_data import load_for_training


def test_a_class_of_one_example_trains(tmp_path):
    (tmp_path / "train.tsv").write_text(
        "".join(f"plant\ttree {word}\n" for word in "abcdef")
        + "animal \tdog\nanimal\tcat dog\ntool\tsaw\n"
    )
    labels = {"animal", "plant", "tool"}
    for seed in range(5):
        config = types.SimpleNamespace(
            inputs="text",
            dataset=f"files:{tmp_path}",
            train_split="train",
            validation_split="validation",
            text="2",
            label="1",
            validation_share=0.4,
            test_share=0.0,
            seed=seed,
        )
        found = load_for_training(config)
        assert set(found["train"][1]) == labels
        texts = found["train"][0] + found["validation"][0]
        assert len(texts) == 9 and len(set(texts)) == 9
        assert len(found["validation"][0]) >= 2

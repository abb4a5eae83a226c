"""Tokens stand on the sides that they belong to."""

import numpy as np
import pytest

from keras_attention import attention_maps
from tests.models import small
from tests.tasks import tiny
from tests.tools import near, to_numpy

CROSS = "decoder/block_1/cross_attention"


def given(task, texts):
    """The task as if it had generated texts, which takes no search."""
    target = task.target_tokenizer

    def generate(sources):
        rows = [
            [target.start_id, *row, target.end_id]
            for row in target.encode(texts)
        ]
        ids = np.zeros((len(rows), task.settings["max_length"]), "int32")
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
        return ids, None

    task.generate = generate
    return task


@pytest.mark.full
def test_a_task_aligns_its_output_with_its_input():
    task = tiny.task(num_beams=1, jit_compile=False)
    texts = ["a man rides the red horse", "dog", ""]
    maps = attention_maps(task, texts)
    outputs, _ = task.generate(texts)
    source = maps.key_tokens[CROSS][0]
    assert "".join(source).strip().startswith("a man rides the red horse")
    assert source == maps.query_tokens["encoder/block_0/attention"][0]
    fed = maps.row("decoder/block_0/attention", 0).query_tokens
    predicted = maps.row(CROSS, 0).query_tokens
    assert fed[0] == "<s>" and fed[1:] == predicted[:-1]
    length = len(predicted)
    assert predicted == task.target_tokenizer.pieces(outputs)[0][1 : length + 1]
    assert maps.row(CROSS, 1).weights.shape[2] == len(
        maps.row(CROSS, 1).key_tokens
    )
    assert maps.row(CROSS, 2).key_tokens == ["</s>"]
    # Fed what it generated, it would generate the same again.
    task.generate = lambda texts: (outputs, None)
    model, inputs, tokens = task.attention_inputs(texts)
    chosen = to_numpy(model(inputs)).argmax(axis=-1)
    for index in range(2):  # the last text was empty
        expected = tokens["outputs"][index]
        pieces = task.target_tokenizer.pieces(chosen)[index]
        assert pieces[: len(expected)] == expected


def test_a_copy_generator_points_at_the_source():
    task = given(tiny.task({"copy_generator": True}), ["a cat"])
    maps = attention_maps(task, "a dog sleeps")
    assert "".join(maps.query_tokens[CROSS][0]) == " a cat</s>"
    name = "copy_generator/pointer"
    assert name in maps.across and maps[name].shape[1] == 1
    assert maps.key_tokens[name] == maps.key_tokens[CROSS]
    assert maps.query_tokens[name] == maps.query_tokens[CROSS]
    near(maps[name].sum(axis=-1)[0, 0, 0], 1.0)


def test_a_recurrent_task():
    task = given(tiny.task(make=tiny.recurrent_model), ["a cat", "dog"])
    maps = attention_maps(task, ["a dog sleeps", "ball"])
    row = maps.row("decoder/recurrence/attention", 1)
    assert "".join(row.query_tokens) == " dog</s>"
    assert "".join(row.key_tokens) == " ball</s>"
    sizes = len(row.query_tokens), len(row.key_tokens)
    assert row.weights.shape[1:] == sizes


def test_a_task_takes_no_other_tokens():
    task = tiny.task()
    with pytest.raises(ValueError, match="leave out"):
        attention_maps(task, "dog", tokens=["dog"])
    with pytest.raises(ValueError, match="texts"):
        attention_maps(task, [])


def test_a_tokenizer_makes_tokens_of_ids(rng):
    pieces = tiny.tokenizer()
    encoder = small.encoder(rng, vocabulary_size=43)
    ids = pieces.encode(["a man rides"])
    maps = attention_maps(encoder, np.array(ids), tokenizer=pieces)
    found = maps.key_tokens["block_0/attention"]
    assert found == pieces.pieces(ids) and "".join(found[0]) == " a man rides"
    with pytest.raises(ValueError, match="both"):
        attention_maps(encoder, np.array(ids), tokens=[], tokenizer=pieces)


def test_shorter_rows_leave_out_padding(rng):
    encoder, ids = small.encoder(rng), small.ids(rng)
    tokens = [list("abcdefg"), list("hijk"), list("lmnopqr")]
    maps = attention_maps(encoder, ids, tokens=tokens)
    row = maps.row("block_0/attention", 1)
    assert row.key_tokens == row.query_tokens == list("hijk")
    cells = [f"{index}" for index in range(7)]
    maps = attention_maps(encoder, ids, tokens=cells)
    assert maps.key_tokens["block_0/attention"][2] == cells


def test_two_sequences_by_name(rng):
    model, pairs = small.encoder_decoder(rng), small.pairs(rng)
    tokens = {"source_ids": list("abcde"), "target_ids": list("tuvwxyz")}
    maps = attention_maps(model, pairs, tokens=tokens)
    assert maps.query_tokens[CROSS][0] == tokens["target_ids"]
    assert maps.key_tokens[CROSS][0] == tokens["source_ids"]
    with pytest.raises(ValueError, match="tokens must be a dictionary"):
        attention_maps(model, pairs, tokens=list("abcde"))
    with pytest.raises(ValueError, match="Received: other"):
        attention_maps(model, pairs, tokens={"other": list("abcde")})


@pytest.mark.parametrize("count", [6, 8])
def test_tokens_of_another_length_are_refused(rng, count):
    encoder, ids = small.encoder(rng), small.ids(rng)
    with pytest.raises(ValueError, match=f"7 places. Received: {count} tokens"):
        attention_maps(encoder, ids, tokens=["x"] * count)
    with pytest.raises(ValueError, match="each of the 3 rows"):
        attention_maps(encoder, ids, tokens=[["x"] * 7] * 2)


def test_another_task_may_say_what_is_shown(rng):
    encoder, ids = small.encoder(rng), small.ids(rng)

    class Task:
        def attention_inputs(self, texts):
            return encoder, ids, [text.split() for text in texts]

    texts = ["a b c d e f g", "h i j k", "l m n o p q r"]
    maps = attention_maps(Task(), texts)
    assert maps.row("block_1/attention", 1).key_tokens == texts[1].split()

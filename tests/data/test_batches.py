import warnings
from collections import Counter

import numpy as np
import pytest

from keras_attention.data import LabelledArrays, LabelledTexts, TokenBatches

START, END, PADDING = 2, 3, 0


def make_pairs(rows=101, longest=23, seed=5):
    """Pairs told apart by their first ids, of very different lengths."""
    generator = np.random.default_rng(seed)
    pairs = []
    for row in range(rows):
        first = 10 + row
        source = [first, *[5] * generator.integers(0, longest - 1)]
        target = [first, *[7] * generator.integers(0, longest - 1)]
        pairs.append((source, target))
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def make_batches(sources, targets, **options):
    options = {"token_budget": 101, "seed": 7, **options}
    return TokenBatches(sources, targets, start_id=START, end_id=END, **options)


def unpack(batch):
    """Reads the pairs back out of a batch, by its weights."""
    inputs, labels, weights = batch
    pairs = []
    for source, target, label, weight in zip(
        inputs["source_ids"],
        inputs["target_ids"],
        labels,
        weights,
        strict=True,
    ):
        length = int(weight.sum())
        assert (weight == [1] * length + [0] * (len(weight) - length)).all()
        assert (target[length:] == PADDING).all()
        assert (label[length:] == PADDING).all()
        if not length:
            assert (source == PADDING).all()
            continue
        source = source[source != PADDING].tolist()
        assert target[0] == START and source[-1] == END
        assert label[length - 1] == END
        assert target[1:length].tolist() == label[: length - 1].tolist()
        pairs.append((source[:-1], target[1:length].tolist()))
    return pairs


def order_of(batches):
    return [row[0][0] for batch in batches for row in unpack(batch)]


def test_an_epoch_holds_every_pair_once():
    sources, targets = make_pairs()
    pairs = [pair for b in make_batches(sources, targets) for pair in unpack(b)]
    assert sorted(pairs) == sorted(zip(sources, targets, strict=True))


def test_a_batch_by_hand():
    batches = TokenBatches(
        [[11], [12, 13]],
        [[21, 22], []],
        start_id=START,
        end_id=END,
        padding_id=1,
        shuffle=False,
        max_shapes=1,
    )
    inputs, labels, weights = batches[0]
    assert len(batches) == 1
    assert inputs["source_ids"].tolist() == [[11, 3, 1], [12, 13, 3]]
    assert inputs["target_ids"].tolist() == [[2, 21, 22], [2, 1, 1]]
    assert labels.tolist() == [[21, 22, 3], [3, 1, 1]]
    assert weights.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert inputs["source_ids"].dtype == labels.dtype == np.int32
    assert inputs["target_ids"].dtype == np.int32
    assert weights.dtype == np.float32
    assert batches.num_tokens == 9
    assert batches.padding_share == pytest.approx(3 / 12)


def test_a_target_mask_goes_by_lengths_and_not_by_values():
    pairs = [[11], [12, 13]], [[21, 1], [1]]
    options = {"start_id": 1, "end_id": END, "padding_id": 1, "max_shapes": 1}
    options["shuffle"] = False
    plain = TokenBatches(*pairs, **options)
    batches = TokenBatches(*pairs, **options, target_padding_mask=True)
    inputs, labels, weights = batches[0]
    assert inputs["target_ids"].tolist() == [[1, 21, 1], [1, 1, 1]]
    mask = inputs.pop("target_padding_mask")
    assert mask.dtype == bool
    assert mask.tolist() == [[True] * 3, [True, True, False]]
    np.testing.assert_array_equal(weights, mask)
    np.testing.assert_equal((inputs, labels, weights), plain[0])
    assert batches.fingerprint != plain.fingerprint


@pytest.mark.parametrize("max_shapes", [1, 3, 8])
def test_batches_keep_to_the_budget_and_to_few_shapes(max_shapes):
    batches = make_batches(*make_pairs(), max_shapes=max_shapes)
    seen = set()
    for inputs, labels, weights in batches:
        rows, source_length = inputs["source_ids"].shape
        target_length = inputs["target_ids"].shape[1]
        assert rows * max(source_length, target_length) <= 101
        assert labels.shape == weights.shape == (rows, target_length)
        seen.add((rows, source_length, target_length))
    assert seen == set(batches.shapes)
    assert len(seen) <= max_shapes


def test_padding_share_and_tokens_are_those_of_the_batches():
    batches = make_batches(*make_pairs())
    cells = real = 0
    for inputs, _, weights in batches:
        for ids in inputs.values():
            cells += ids.size
        real += weights.sum() + (inputs["source_ids"] != PADDING).sum()
    assert batches.num_tokens == real
    assert batches.padding_share == pytest.approx(1 - real / cells)


def test_more_shapes_mean_less_padding():
    shares = [
        make_batches(*make_pairs(), max_shapes=shapes).padding_share
        for shapes in (1, 2, 5)
    ]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1] + 0.1


def test_lengths_are_multiples_except_at_the_limits():
    sources, targets = make_pairs()
    shapes = make_batches(sources, targets, length_multiple=8).shapes
    assert {length % 8 for shape in shapes for length in shape[1:]} == {0}
    # The longest rows have 23 ids: rounding up may not pass `max_length`.
    shapes = make_batches(
        sources, targets, length_multiple=16, max_length=23
    ).shapes
    assert {length for shape in shapes for length in shape[1:]} == {16, 23}


def test_order_depends_on_seed_and_epoch_alone():
    pairs = make_pairs()
    batches = make_batches(*pairs)
    epochs = []
    for epoch in range(3):
        assert batches.epoch == epoch
        batches.on_epoch_begin()
        epochs.append(order_of(batches))
        batches.on_epoch_end()
    assert len({tuple(order) for order in epochs}) == 3
    assert len({tuple(sorted(order)) for order in epochs}) == 1

    other = make_batches(*pairs)
    other.start_at(2, 0)
    assert order_of(other) == epochs[2]
    other.start_at(0, 0)
    assert order_of(other) == epochs[0]
    assert order_of(make_batches(*pairs, seed=8)) != epochs[0]


def test_rows_meet_other_rows_in_another_epoch():
    batches = make_batches([[5]] * 60, [[10 + row] for row in range(60)])
    epochs = []
    for epoch in range(2):
        batches.start_at(epoch, 0)
        epochs.append({frozenset(labels[:, 0]) for _, labels, _ in batches})
    assert len(epochs[0]) == len(batches) > 1
    assert epochs[0] != epochs[1]


def test_unshuffled_epochs_are_the_same():
    batches = make_batches(*make_pairs(), shuffle=False)
    first = order_of(batches)
    batches.start_at(1, 0)
    assert order_of(batches) == first


@pytest.mark.parametrize("batch", [0, 1, 5])
def test_start_at_goes_on_in_the_middle_of_an_epoch(batch):
    whole, rest = make_batches(*make_pairs()), make_batches(*make_pairs())
    whole.start_at(3, 0)
    rest.start_at(3, batch)
    assert len(rest) == len(whole) - batch
    for expected, found in zip(list(whole)[batch:], rest, strict=True):
        assert unpack(expected) == unpack(found)
    rest.on_epoch_begin()
    rest[len(rest) - 1]
    rest.on_epoch_end()
    assert (rest.epoch, len(rest)) == (4, len(whole))


def test_start_at_the_end_of_an_epoch_is_the_next_one():
    batches = make_batches(*make_pairs())
    batches.start_at(3, batches.batches_per_epoch)
    assert (batches.epoch, len(batches)) == (4, batches.batches_per_epoch)


def test_a_pass_that_was_broken_off_starts_over():
    batches = make_batches(*make_pairs())
    batches.on_epoch_begin()
    batches[0]
    batches.on_epoch_end()
    assert batches.epoch == 0


def test_looking_at_batches_moves_nothing_on():
    batches = make_batches(*make_pairs())
    list(batches)
    batches.on_epoch_end()  # as at the start of `fit`
    assert batches.epoch == 0


def test_long_sentences_are_cut_with_one_warning():
    sources = [[5] * 10, [5] * 4, [5] * 6]
    targets = [[7] * 4, [7] * 5, [7] * 3]
    with pytest.warns(UserWarning) as caught:
        batches = make_batches(sources, targets, max_length=5, shuffle=False)
    assert [str(w.message) for w in caught] == [
        "Cut 2 sources and 1 targets of 3 pairs to max_length=5."
    ]
    pairs = [pair for batch in batches for pair in unpack(batch)]
    assert Counter(len(source) for source, _ in pairs) == {4: 3}
    assert Counter(len(target) for _, target in pairs) == {4: 2, 3: 1}


def test_sources_may_be_longer_than_targets():
    options = {"max_length": 5, "max_source_length": 8, "shuffle": False}
    with pytest.warns(UserWarning, match="Cut 1 sources and 2 targets of 2"):
        batches = make_batches([[5] * 9, [5] * 7], [[7] * 5] * 2, **options)
    for source, target in [x for batch in batches for x in unpack(batch)]:
        assert (len(source), len(target)) == (7, 4)
    options = {**options, "length_multiple": 16}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches = make_batches([[5] * 7], [[7] * 4], **options)
    assert batches.shapes == [(1, 8, 5)]


def test_sentences_of_the_limit_are_whole_and_silent():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches = make_batches([[5] * 4], [[7] * 4], max_length=5)
    assert batches.shapes == [(1, 5, 5)]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"token_budget": 22}, "longest row, 23.*token_budget=22"),
        ({"token_budget": 0}, "`token_budget` must be at least 1"),
        ({"max_length": 1}, "`max_length` must be at least 2"),
        ({"max_source_length": 1}, "`max_source_length` must be at least 2"),
        ({"max_shapes": 0}, "`max_shapes` must be at least 1"),
        ({"length_multiple": 0}, "`length_multiple` must be at least 1"),
        ({"seed": -1}, "`seed` must be at least 0"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_batches(*make_pairs(), **options)


@pytest.mark.parametrize("sources, targets", [([[5]], []), ([], [])])
def test_sides_must_match_and_hold_rows(sources, targets):
    with pytest.raises(ValueError, match="same number of rows"):
        make_batches(sources, targets)


@pytest.mark.parametrize("wrong", [6.5, float("nan"), 2**40, -1e99])
def test_ids_and_labels_must_be_integers(wrong):
    good = [[5, 6.0, np.float32(7)], np.array([8, 9])]
    batches = make_batches(good, good)
    found = [row for batch in batches for row in unpack(batch)]
    assert sorted(found) == [([5, 6, 7], [5, 6, 7]), ([8, 9], [8, 9])]
    for sources, targets in (
        ([[5], [6, wrong]], good),
        (good, [[5, wrong]] * 2),
    ):
        with pytest.raises(ValueError, match="token ids must be integers"):
            make_batches(sources, targets)
    arrays = np.zeros((2, 3))
    with pytest.raises(ValueError, match="`labels` must be integers"):
        LabelledArrays(arrays, [1, wrong])
    with pytest.raises(ValueError, match="`labels` must be integers"):
        LabelledTexts([[5], [6]], [1, wrong], start_id=2)
    assert LabelledArrays(arrays, [1.0, 0])[0][1].dtype == "int32"


def test_labelled_rows_count_once_and_what_fills_a_batch_not_at_all():
    generator = np.random.default_rng(3)
    texts = [[10 + row, *[5] * generator.integers(0, 20)] for row in range(53)]
    labels = generator.integers(0, 9, 53)
    batches = LabelledTexts(
        texts, labels, start_id=START, token_budget=101, max_shapes=1
    )
    found = {}
    for inputs, given, weights in (batches[i] for i in range(len(batches))):
        counts = inputs["token_ids"][:, 1] != PADDING
        np.testing.assert_array_equal(weights, counts.astype("float32"))
        for ids, label in zip(
            inputs["token_ids"][counts], given[counts], strict=True
        ):
            assert found.setdefault(ids[1] - 10, label) == label
    assert found == dict(enumerate(labels))
    assert any((batches[i][2] == 0).any() for i in range(len(batches)))


def test_positions_outside_the_epoch_are_refused():
    batches = make_batches(*make_pairs())
    with pytest.raises(IndexError):
        batches[len(batches)]
    for epoch, batch in ((-1, 0), (0, -1), (0, len(batches) + 1)):
        with pytest.raises(ValueError, match="`epoch`.*`batch`"):
            batches.start_at(epoch, batch)


def test_the_fingerprint_is_that_of_the_batches():
    arguments = {"start_id": 2, "end_id": 3, "token_budget": 20}
    rows = [[5, 6], [7]], [[8], [9, 5]]
    batches = TokenBatches(*rows, **arguments)
    assert batches.fingerprint == TokenBatches(*rows, **arguments).fingerprint
    others = [
        TokenBatches(rows[1], rows[0], **arguments),
        TokenBatches(*rows, **arguments, seed=1),
        TokenBatches(*rows, **{**arguments, "token_budget": 4}),
    ]
    assert batches.fingerprint not in {other.fingerprint for other in others}

"""Which tests of the contract run by default for which flavour.

One case for each kind of cache and for each way to compute in blocks represents
the others, and has every test, but that two of these stand for all where a test
compiles, trains or saves. By default the others have what an option, a score or
a choice of keys can break by itself. The rest is marked as `full`.
"""

import functools

from tests.contract.case import DTYPES
from tests.contract.cases import CASES
from tests.tools import BACKEND

# The cases that have every test that is quick, and what they run through.
REPRESENTATIVES = {
    "multi_head": "softmax of all scores at once, a cache of all keys",
    "normalized_gated_with_sinks": "scores in blocks of queries, all options",
    "latent": "expanded keys and values, a cache of compressed vectors",
    "dilated_window_with_sinks": "a band in blocks, a ring as its cache",
    "longformer": "a band beside global tokens, a call of its own",
    "sparse_transformer_fixed": "a grid of strides, a cache of summaries",
    "lsh": "keys sorted by their hashes, in chunks",
    "linear": "sums over chunks of keys, which are its cache as well",
    "gated_delta_convolution": "states scanned over chunks, with tails",
}

# What the others have: each name may say one value of a further parameter.
ITEMS = {
    "test_cache::test_a_flavour_without_a_cache_refuses_one",
    "test_cache::test_any_split_gives_the_full_pass",
    "test_cache::test_the_cache_is_as_small_as_the_idea_allows",
    "test_files::test_config_is_the_constructor",
    "test_files::test_config_makes_the_same_layer",
    "test_gradients::test_every_weight_takes_part",
    "test_keras::test_projections_carry_the_names_of_keras",
    "test_masks::test_dense_causal_mask_is_the_causal_mask",
    "test_masks::test_dense_mask_hides_what_it_says",
    "test_masks::test_future_tokens_do_not_change_the_past",
    f"test_masks::test_rows_that_see_nothing_give_zeros[{DTYPES[0]}]",
    "test_masks::test_without_the_causal_mask_the_future_counts",
    "test_memory::test_a_flavour_that_attends_to_itself_alone_refuses_a_source",
    "test_memory::test_memory_is_direct_cross_attention",
    "test_padding::test_of_a_sequence[True]",
    "test_positions::test_a_position_counts_or_is_refused[Biasing]",
    "test_positions::test_a_position_counts_or_is_refused[Turning]",
    "test_precision::test_half_precision_stays_near_float32[float16]",
    "test_shapes::test_source_may_have_other_widths",
    "test_shapes::test_symbolic_shape_leaves_batch_and_length_open",
}
# Flavours that are not causal have the same of plain self-attention.
NOT_CAUSAL = {"test_padding::test_of_a_sequence[False]"}
# What takes seconds, since it traces graphs, trains, saves or differentiates
# number by number: these cases alone have it.
SLOW_ITEMS = {
    "test_cache::test_a_compiled_step_with_a_computed_start",
    "test_cache::test_a_graph_that_knows_neither_batch_nor_length",
    "test_empty::test_a_graph_that_knows_neither_batch_nor_length",
    "test_files::test_every_form_of_a_layer_makes_the_same_layer",
    "test_files::test_keras_file_gives_the_same_model",
    "test_files::test_keras_file_of_cross_attention",
    "test_gradients::test_gradients_are_finite_differences",
    "test_growth::test_the_largest_tensor_grows_as_the_idea_says",
    "test_keras::test_a_graph_that_knows_neither_batch_nor_length",
    "test_keras::test_a_model_of_it_trains",
    "test_keras::test_an_implicit_mask_passes_through_a_model",
    "test_keras::test_compiled_and_eager_agree",
    "test_keras::test_int8_through_a_model",
    "test_keras::test_lora_on_each_projection",
    "test_keras::test_the_implicit_mask_of_a_source_is_honoured",
}
SLOW_CASES = {"multi_head", "linear"}
# Loops and scans are what compiling may break.
COMPILED = "test_keras::test_compiled_and_eager_agree"
COMPILED_CASES = {"dilated_window_with_sinks", "gated_delta_convolution"}
# Of the numbers that stand at padding, the other cases have one kind.
OF_ONE_KIND = {
    "test_masks::test_contents_of_padding_do_not_matter",
    "test_masks::test_rows_that_see_nothing_give_zeros",
}


@functools.cache
def representatives():
    """The keys of the cases that have all tests on this backend."""
    return on_this_backend(REPRESENTATIVES)


def on_this_backend(keys):
    """Keys of cases; the variants run on TensorFlow alone.

    Elsewhere the first case of a flavour stands in.
    """
    if BACKEND == "tensorflow":
        return set(keys)
    return {first_of_flavours()[CASES[key].name] for key in keys}


@functools.cache
def not_causal():
    """The keys of the cases that know no causal mask."""
    return {key for key in CASES if not CASES[key].make().supports_causal_mask}


def first_of_flavours():
    """The key of the first case of each registered name."""
    return {case.name: key for key, case in reversed(CASES.items())}


def wanted(key):
    """The names of the tests that a case has even if it represents none."""
    return ITEMS | NOT_CAUSAL if key in not_causal() else ITEMS


def is_default(item):
    """Whether a test of a case runs by default."""
    case = item.callspec.params["case"]
    names = names_of(item)
    if case in on_this_backend(SLOW_CASES):
        return True
    if COMPILED in names and case in on_this_backend(COMPILED_CASES):
        return True
    if not names.isdisjoint(SLOW_ITEMS):
        return False
    if not names.isdisjoint(OF_ONE_KIND):
        one_kind = any(DTYPES[0] in name for name in names)
        listed = not names.isdisjoint(wanted(case))
        return one_kind and (case in representatives() or listed)
    return case in representatives() or not names.isdisjoint(wanted(case))


def names_of(item):
    """The names under which a test may be listed above."""
    name = f"{item.path.stem}::{item.originalname}"
    parts = item.callspec.id.split("-")
    parts.remove(item.callspec.params["case"])
    return {name, f"{name}[{'-'.join(parts)}]"} if parts else {name}

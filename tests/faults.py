"""Small faults that the tests must catch; `mutants.py` puts them in."""

from typing import NamedTuple


class Fault(NamedTuple):
    """One replaced line.

    Attributes:
        path: file of the package.
        function: qualified name of the function that holds the text.
        text: what is replaced, found exactly once in the function.
        replacement: what stands there instead.
        tests: test files, those that should catch it soonest first.
    """

    path: str
    function: str
    text: str
    replacement: str
    tests: tuple

    @property
    def name(self):
        return f"{self.path.removesuffix('.py')}:{self.function}"


def fault(path, function, text, replacement, *tests):
    return Fault(path, function, text, replacement, tests)


MASKS = [
    fault(
        "masks.py",
        "causal_mask",
        "ops.less_equal(",
        "ops.less(",
        "attention/exact/test_multi_head.py",
        "contract/test_masks.py",
    ),
    fault(
        "masks.py",
        "padding_mask_from_ids",
        "ops.not_equal(",
        "ops.equal(",
        "models/test_masks.py",
    ),
    fault(
        "masks.py",
        "combine_masks",
        "ops.logical_and(",
        "ops.logical_or(",
        "contract/test_masks.py",
    ),
    fault(
        "masks.py",
        "hide",
        "ops.where(ops.expand_dims(padding_mask, further_axes), x, 0.0)",
        "x",
        "contract/test_padding.py",
    ),
    fault(
        "masks.py",
        "Visibility.block",
        "query_positions=self.query_positions[rows],",
        "query_positions=self.query_positions,",
        "attention/core/test_query_blocks.py",
    ),
]

POSITIONS = [
    fault(
        "positions/absolute/sinusoidal.py",
        "SinusoidalEncoding.embed",
        "positions = start + ops.arange(",
        "positions = ops.arange(",
        "positions/absolute/test_sinusoidal.py",
    ),
    fault(
        "positions/absolute/learned.py",
        "LearnedEncoding.embed",
        "rows + self.offset, axis=0",
        "rows, axis=0",
        "positions/absolute/test_learned.py",
    ),
    fault(
        "positions/bias/alibi.py",
        "slopes",
        "[steps[1::2], steps[::2]]",
        "[steps[::2], steps[1::2]]",
        "positions/bias/test_alibi.py",
    ),
    fault(
        "positions/bias/t5_relative.py",
        "T5RelativeBias._bucket",
        "distances < 0",
        "distances > 0",
        "positions/bias/test_t5_relative.py",
    ),
    fault(
        "positions/bias/kerple.py",
        "Kerple.of_distance",
        "ops.where(distances > 0, powers, 0.0)",
        "powers",
        "positions/bias/test_kerple.py",
    ),
    fault(
        "positions/bias/fire.py",
        "_network",
        "ops.relu(hidden)",
        "hidden",
        "positions/bias/test_fire.py",
    ),
    fault(
        "positions/bias/window_relative.py",
        "WindowRelativeBias._look_up",
        "pair_distances(*(x % width for x in positions))",
        "pair_distances(*(x // width for x in positions))",
        "positions/bias/test_window_relative.py",
    ),
    fault(
        "positions/relative/shaw.py",
        "ShawRelative._rows",
        "ops.clip(-pairs(",
        "ops.clip(pairs(",
        "positions/relative/test_shaw.py",
    ),
    fault(
        "positions/relative/transformer_xl.py",
        "TransformerXLRelative._of_content",
        "found = found * self.scale(head_dim)",
        "found = found * 1.0",
        "positions/relative/test_transformer_xl.py",
    ),
    fault(
        "positions/relative/cope.py",
        "CoPE._bias",
        "self.max_position - 1.0",
        "self.max_position - 2.0",
        "positions/relative/test_cope.py",
    ),
    fault(
        "positions/relative/disentangled.py",
        "DisentangledRelative.scale",
        "1 + self.content_to_position + self.position_to_content",
        "1 + self.content_to_position",
        "positions/relative/test_disentangled.py",
    ),
    fault(
        "positions/rotary/scaling.py",
        "attention_factor",
        "growth = 0.1 * ",
        "growth = 0.2 * ",
        "positions/rotary/test_scaling.py",
    ),
]

FLAVOURS = [
    fault(
        "attention/core/softmax.py",
        "Scoring.scale_query",
        "return query * ops.cast(scale, query.dtype)",
        "return query * 1.0",
        "attention/exact/test_multi_head.py",
    ),
    fault(
        "attention/core/softmax.py",
        "soft_cap",
        "return cap * ops.tanh(",
        "return ops.tanh(",
        "attention/exact/test_multi_head_options.py",
    ),
    fault(
        "attention/exact/entmax.py",
        "entmax",
        "scores = scores * (alpha - 1.0)",
        "scores = scores * 1.0",
        "attention/exact/test_entmax.py",
    ),
    fault(
        "attention/exact/differential.py",
        "DifferentialAttention._share",
        "return share - ops.exp(",
        "return share + ops.exp(",
        "attention/exact/test_differential.py",
    ),
    fault(
        "attention/exact/talking_heads.py",
        "_mix",
        "ops.transpose(mixing)",
        "mixing",
        "attention/exact/test_talking_heads.py",
    ),
    fault(
        "attention/exact/sigmoid.py",
        "SigmoidAttention.weigh",
        "ops.sigmoid(scores - shift)",
        "ops.sigmoid(scores)",
        "attention/exact/test_sigmoid.py",
    ),
    fault(
        "attention/exact/luong.py",
        "LuongAttention.weigh_pairs",
        "deviation = self.window_size / 2",
        "deviation = self.window_size",
        "attention/exact/test_luong.py",
    ),
    fault(
        "attention/windows/band.py",
        "band_mask",
        "ops.abs(distance) <= window_size",
        "ops.abs(distance) < window_size",
        "attention/windows/test_band.py",
        "attention/windows/test_sliding_window.py",
    ),
    fault(
        "attention/windows/longformer.py",
        "LongformerAttention.attend",
        "combine_masks(visible.padding_mask, ordinary)",
        "visible.padding_mask",
        "attention/windows/test_longformer.py",
    ),
    fault(
        "attention/windows/shifted_window.py",
        "_Windows.names",
        "cells - shift + size",
        "cells + size",
        "attention/windows/test_shifted_window.py",
    ),
    fault(
        "attention/sparse/bigbird.py",
        "BigBirdAttention.list_blocks",
        "before = self.num_window_blocks // 2",
        "before = self.num_window_blocks // 4",
        "attention/sparse/test_bigbird.py",
    ),
    fault(
        "attention/sparse/prob_sparse.py",
        "ProbSparseAttention._choose",
        "highest - total / number",
        "highest",
        "attention/sparse/test_prob_sparse.py",
    ),
    fault(
        "attention/sparse/online_softmax.py",
        "join_partials",
        "total + share * part.total",
        "total + part.total",
        "attention/sparse/test_sparse_transformer.py",
    ),
    fault(
        "attention/sparse/hashing.py",
        "_nearest",
        "index - width + half",
        "index - width",
        "attention/sparse/test_lsh.py",
    ),
    fault(
        "attention/linear/cosformer.py",
        "CosformerAttention.make_features",
        "x = ops.relu(x)",
        "x = ops.abs(x)",
        "attention/linear/test_cosformer.py",
    ),
    fault(
        "attention/linear/performer.py",
        "PerformerAttention.make_features",
        "half = 0.5 * ops.sum(",
        "half = ops.sum(",
        "attention/linear/test_performer.py",
    ),
    fault(
        "attention/linear/sums.py",
        "merge",
        "ops.exp(log - top)",
        "ops.exp(top - log)",
        "attention/linear/test_performer.py",
        "contract/test_cache.py",
    ),
    fault(
        "attention/recurrent/retention.py",
        "RetentionAttention._log_decay",
        "-5 - h",
        "-6 - h",
        "attention/recurrent/test_retention.py",
    ),
    fault(
        "attention/recurrent/scan.py",
        "_blelloch_scan",
        "apply(late, adds) + adds_late",
        "adds + adds_late",
        "attention/recurrent/test_scan.py",
    ),
    fault(
        "attention/reduced/linformer.py",
        "LinformerAttention.attend",
        "self._mix(self.value_mixing, value)",
        "self._mix(self.key_mixing, value)",
        "attention/reduced/test_linformer.py",
    ),
    fault(
        "attention/reduced/nystrom.py",
        "iterative_pseudo_inverse",
        "inner = 13 * identity",
        "inner = 12 * identity",
        "attention/reduced/test_nystrom.py",
    ),
]

CACHES = [
    fault(
        "attention/core/kv_cache.py",
        "extend_mask",
        "write(buffer, mask, start, axis=1)",
        "write(buffer, mask, 0, axis=1)",
        "contract/test_cache.py",
    ),
    fault(
        "attention/windows/ring_cache.py",
        "Ring.step",
        "places = start % self.dilation + ",
        "places = ",
        "attention/windows/test_sliding_window.py",
        "contract/test_cache.py",
    ),
    fault(
        "attention/windows/ring_cache.py",
        "Ring.extend",
        "last = start + length - 1",
        "last = start + length - 2",
        "attention/windows/test_sliding_window.py",
        "contract/test_cache.py",
    ),
    fault(
        "attention/sparse/summary_cache.py",
        "listed_keys",
        "own <= place",
        "own < place",
        "attention/sparse/test_sparse_transformer.py",
        "contract/test_cache.py",
    ),
    fault(
        "attention/recurrent/decay.py",
        "step",
        "state = state * ops.expand_dims(ops.exp(decay), -1)",
        "state = state * 1.0",
        "attention/recurrent/test_retention.py",
        "contract/test_cache.py",
    ),
]

SEARCHES = [
    fault(
        "generation/sampling.py",
        "keep_top_p",
        "ops.cumsum(descending, axis=-1) - descending",
        "ops.cumsum(descending, axis=-1)",
        "generation/test_sampling.py",
    ),
    fault(
        "generation/logits_processors.py",
        "completes_ngram",
        "starts <= position - size",
        "starts < position - size",
        "generation/test_constraints.py",
    ),
    fault(
        "generation/logits_processors.py",
        "delay_end",
        "position < min_length",
        "position <= min_length",
        "generation/test_constraints.py",
    ),
    fault(
        "generation/logits_processors.py",
        "penalize_repetition",
        "scores < 0",
        "scores > 0",
        "generation/test_forced_and_forbidden.py",
    ),
    fault(
        "generation/logits_processors.py",
        "force",
        "position == where",
        "position > where",
        "generation/test_forced_and_forbidden.py",
    ),
    fault(
        "generation/beam_state.py",
        "penalty",
        "return ops.power(generated, float(length_penalty))",
        "return ops.ones_like(generated)",
        "generation/test_beam.py",
    ),
    fault(
        "generation/beam_state.py",
        "reorder",
        "return tree.map_structure(lambda x: ops.take(x, rows, axis=0), cache)",
        "return cache",
        "generation/test_beam.py",
    ),
    fault(
        "generation/loop.py",
        "Rows._extend",
        "lengths <= position",
        "lengths < position",
        "generation/test_greedy.py",
    ),
]

RESUMING = [
    fault(
        "training/random_state.py",
        "restore",
        "random.setstate(_python_state(state))",
        "pass",
        "training/test_random_state.py",
    ),
    fault(
        "training/resume.py",
        "_LastStep.on_epoch_begin",
        "self._done += self.position.batch",
        "self._done += 0",
        "training/test_resume.py",
    ),
    fault(
        "training/checkpoint.py",
        "Checkpoint.on_train_batch_end",
        "Position(self._epoch, self._offset + done)",
        "Position(self._epoch, done)",
        "training/test_resume.py",
    ),
    fault(
        "data/resumable.py",
        "ResumableDataset.on_epoch_end",
        "self._epoch, self._first = self._epoch + 1, 0",
        "self._epoch, self._first = self._epoch, 0",
        "data/test_batches.py",
        "data/test_fit.py",
    ),
]

DATA = [
    fault(
        "data/batches.py",
        "TokenBatches.batch",
        "first=1, less=1",
        "first=0, less=1",
        "data/test_batches.py",
    ),
    fault(
        "data/buckets.py",
        "in_order",
        "np.random.default_rng([seed, epoch])",
        "np.random.default_rng([seed, 0])",
        "data/test_batches.py",
    ),
    fault(
        "data/buckets.py",
        "_all_shapes",
        "token_budget // lengths, 1",
        "2 * token_budget // lengths, 1",
        "data/test_buckets.py",
        "data/test_batches.py",
    ),
    fault(
        "data/labelled_batches.py",
        "LabelledBatches.batch",
        "np.arange(shape[0]) < len(rows)",
        "np.arange(shape[0]) <= len(rows)",
        "data/test_batches.py",
        "tasks/classification/test_classifiers.py",
    ),
    fault(
        "data/sources/tables.py",
        "open_table",
        "str(number + 1) for number in",
        "str(number) for number in",
        "data/sources/test_tables.py",
    ),
]

TRAINING = [
    fault(
        "training/losses.py",
        "token_crossentropy",
        "(1 - label_smoothing) * ops.squeeze(",
        "ops.squeeze(",
        "training/test_losses.py",
    ),
    fault(
        "training/schedules.py",
        "InverseSquareRootSchedule.__call__",
        'ops.cast(step, "float32") + 1.0',
        'ops.cast(step, "float32") + 0.5',
        "training/test_schedules.py",
    ),
    fault(
        "training/averages.py",
        "_mean",
        "total / len(datasets)",
        "total",
        "training/test_averages.py",
    ),
]

EXPORT = [
    fault(
        "export/source_to_text_graph.py",
        "SourceToTextGraph._detokenize",
        "token_ids < tokenizer.vocabulary_size",
        "token_ids >= 0",
        "export/test_text_to_text.py",
    ),
    fault(
        "export/source_to_text_graph.py",
        "TextToTextGraph._tokenize",
        "marked(task.source_tokenizer, rows[:, :limit])",
        "marked(task.source_tokenizer, rows)",
        "export/test_text_to_text.py",
    ),
]

FAULTS = [
    *MASKS,
    *POSITIONS,
    *FLAVOURS,
    *CACHES,
    *SEARCHES,
    *RESUMING,
    *DATA,
    *TRAINING,
    *EXPORT,
]

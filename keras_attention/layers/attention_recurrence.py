"""Recurrent layers that look at a memory at every step."""

import keras
from keras import ops

from keras_attention.layers import recurrence
from keras_attention.layers.dropout import dropout_mask, make_dropout
from keras_attention.layers.loop_seeds import LoopDraws
from keras_attention.layers.parts import Parts
from keras_attention.masks import hide
from keras_attention.registry import PACKAGE, ChecksBooleans, describe


@keras.saving.register_keras_serializable(package=PACKAGE)
class AttentionRecurrence(ChecksBooleans, keras.layers.Layer):
    """A stack of recurrent cells with attention at every step.

    With `s_t` the state of the uppermost cell and `c_t` the context that
    attention finds, attention comes before or after the cells:

    - `"before"` (Bahdanau): `c_t = attention(s_(t-1))`,
      `s_t = cells([x_t; c_t], s_(t-1))`, and the output
      `o_t = maxout(W [s_t; x_t; c_t])`.
    - `"after"` (Luong): `s_t = cells(x_t, s_(t-1))`,
      `c_t = attention(s_t)`, and the output `o_t = tanh(W [c_t; s_t])`, the
      attentional vector.

    With `input_feeding`, `x_t` becomes `[x_t; o_(t-1)]` for the cells, so that
    they know what was attended to before. Without it, attention after the
    cells is computed for all steps at once.

    Args:
        num_layers: integer, number of cells.
        hidden_dim: integer, width of a cell.
        output_dim: integer, width of the output.
        cell: `"gru"` or `"lstm"`.
        attention: cross-attention by name (which gets one head),
            configuration or template; None for none, and then the output is
            `s_t`, projected if its width is not `output_dim`.
        attention_order: `"before"` or `"after"`.
        input_feeding: whether the cells see the last output.
        dropout: float, of what one cell hands to the next.

    Call arguments:
        x: `(batch, length, dim)`.
        state: dictionary as of `init_state`.
        memory: dictionary from `init_memory`, or None without attention.
        memory_padding_mask: boolean `(batch, memory_length)`, beside that of
            the memory, or None.
        padding_mask: boolean `(batch, length)`; padding leaves the state as
            it is. None where all counts.
        start: integer, the position of the first step.
        training: whether to apply dropout.

    Returns:
        `(outputs, state)`: `(batch, length, output_dim)`, and the state after
        the last step.

    Raises:
        ValueError: if the attention is none across two sequences, or an
            argument is out of its range.

    Reference:
        Bahdanau et al. 2014, Neural Machine Translation by Jointly Learning
        to Align and Translate, https://arxiv.org/abs/1409.0473 (the output
        takes `s_t` as its equation 4 does; its appendix has `s_(t-1)`);
        Luong et al. 2015, Effective Approaches to Attention-based Neural
        Machine Translation, https://arxiv.org/abs/1508.04025
    """

    def __init__(
        self,
        num_layers,
        hidden_dim,
        output_dim,
        *,
        cell="gru",
        attention="additive",
        attention_order="after",
        input_feeding=False,
        dropout=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        recurrence.check_sizes(
            dropout,
            num_layers=num_layers,
            hidden_dim=hidden_dim,
            output_dim=output_dim,
        )
        recurrence.check_order(attention, attention_order, input_feeding)
        self.num_layers = num_layers
        self.hidden_dim = hidden_dim
        self.output_dim = output_dim
        self.cell = cell
        self.attention_order = attention_order
        self.input_feeding = input_feeding
        self.dropout = dropout
        self._attention = describe(attention)
        policy = {"dtype": self.dtype_policy}
        self.attention = None
        if attention is not None:
            self.attention = recurrence.make_attention(attention, **policy)
        self.cells = Parts(
            recurrence.make_cell(
                cell, hidden_dim, name=f"cell_{index}", **policy
            )
            for index in range(num_layers)
        )
        self.dropouts = Parts(
            make_dropout(dropout, **policy) for _ in range(num_layers - 1)
        )
        self.output_dense = recurrence.make_output_dense(self, **policy)

    def build(self, input_shape, memory_dim=None):
        """Makes the weights.

        Args:
            input_shape: shape of `x`.
            memory_dim: integer, width of the memory; `hidden_dim` by default.
        """
        dim, hidden_dim = input_shape[-1], self.hidden_dim
        before, context_dim = self.attention_order == "before", 0
        if self.attention is not None:
            query_shape = (None, None, hidden_dim)
            memory_shape = (None, None, memory_dim or hidden_dim)
            self.attention.build(query_shape, memory_shape)
            # Some flavours give contexts as wide as the memory.
            context = self.attention.compute_output_spec(
                keras.KerasTensor((1, 2, hidden_dim), self.compute_dtype),
                keras.KerasTensor((1, 3, memory_shape[-1]), self.compute_dtype),
            )
            context_dim = context.shape[-1]
        cell_dim = dim + self.input_feeding * self.output_dim
        cell_dim += before * context_dim
        for cell in self.cells:
            cell.build((None, cell_dim))
            cell_dim = hidden_dim
        if self.output_dense is not None:
            joined_dim = hidden_dim + context_dim + before * dim
            self.output_dense.build((None, None, joined_dim))

    def call(
        self,
        x,
        state,
        memory=None,
        memory_padding_mask=None,
        padding_mask=None,
        start=0,
        training=None,
    ):
        batch_size, length = ops.shape(x)[:2]
        if 0 in tuple(x.shape)[:2]:
            shape = (batch_size, length, self.output_dim)
            return ops.zeros(shape, self.compute_dtype), state
        if padding_mask is not None:
            x = hide(x, padding_mask)
        before = self.attention_order == "before"
        in_loop = self.attention if before or self.input_feeding else None
        draws = LoopDraws(in_loop, length, training)
        shape = (batch_size, length, self.hidden_dim)
        masks = [None] + [
            dropout_mask(dropout, shape, training) for dropout in self.dropouts
        ]

        def look(query, place):
            return self.attention(
                query,
                memory=memory,
                padding_mask=memory_padding_mask,
                start=place,
                training=training,
            )

        def attend(query, index):
            return look(query[:, None], start + index)[:, 0]

        def step(x, state, index):
            keep = None
            if padding_mask is not None:
                keep = ops.take(padding_mask, index, axis=1)[:, None]
            return self._step(
                x,
                state,
                keep,
                [None if m is None else ops.take(m, index, 1) for m in masks],
                lambda query: draws.at(index, lambda: attend(query, index)),
                training,
            )

        outputs, state = recurrence.repeat_over_time(step, x, state)
        if self.input_feeding:
            return outputs, state
        if self.attention is None:
            if self.output_dense is not None:
                outputs = self.output_dense(outputs)
        elif before:
            hidden, context = ops.split(outputs, [self.hidden_dim], axis=-1)
            outputs = self._output(x, hidden, context)
        else:
            outputs = self._output(x, outputs, look(outputs, start))
        return outputs, state

    def _step(self, x, state, keep, masks, attend, training):
        """Feeds one vector to the cells.

        Args:
            x: `(batch, dim)`.
            state: the state before.
            keep: boolean `(batch, 1)`, False for padding; or None.
            masks: for each cell, what its input is multiplied by, or None.
            attend: function from a query `(batch, hidden_dim)` to a context.
            training: whether to apply dropout.

        Returns:
            `(output, state)`. Without input feeding the output is not
            computed here, and what it is made of is returned instead.
        """
        before = self.attention_order == "before"
        top = f"layer_{self.num_layers - 1}"
        inputs, new = [x], {}
        if self.input_feeding:
            inputs.append(state["output"])
        if before:
            context = attend(state[top]["hidden"])
            inputs.append(context)
        hidden = ops.concatenate(inputs, axis=-1)
        names = recurrence.state_names(self.cell)
        for index, cell in enumerate(self.cells):
            if masks[index] is not None:
                hidden = hidden * masks[index]
            layer = f"layer_{index}"
            old = [state[layer][name] for name in names]
            _, found = cell(hidden, old, training=training)
            found = [
                recurrence.choose(keep, *both)
                for both in zip(found, old, strict=True)
            ]
            new[layer] = dict(zip(names, found, strict=True))
            hidden = new[layer]["hidden"]
        if not self.input_feeding:
            output = [hidden, context] if before else [hidden]
            return ops.concatenate(output, axis=-1), new
        output = self._output(x, hidden, context if before else attend(hidden))
        output = recurrence.choose(keep, output, state["output"])
        return output, {**new, "output": output}

    def _output(self, x, hidden, context):
        if self.attention_order == "after":
            joined = ops.concatenate([context, hidden], axis=-1)
            return self.output_dense(joined)
        joined = ops.concatenate([hidden, x, context], axis=-1)
        return ops.maximum(*ops.split(self.output_dense(joined), 2, axis=-1))

    def init_memory(self, memory, padding_mask=None):
        """Projects `(batch, memory_length, memory_dim)` once for all steps.

        Returns:
            What the attention makes of it; None without attention.
        """
        if self.attention is None:
            return None
        return self.attention.init_memory(memory, padding_mask=padding_mask)

    def init_state(self, batch_size):
        """Makes a state of zeros.

        Args:
            batch_size: integer.

        Returns:
            A dictionary of `"layer_0"` and so on, each a dictionary of
            `"hidden"` and with LSTM cells `"cell"`, `(batch, hidden_dim)`;
            with `input_feeding` also `"output"`, `(batch, output_dim)`.
        """
        zeros = ops.zeros((batch_size, self.hidden_dim), self.compute_dtype)
        names = recurrence.state_names(self.cell)
        state = {
            f"layer_{index}": dict.fromkeys(names, zeros)
            for index in range(self.num_layers)
        }
        if self.input_feeding:
            shape = (batch_size, self.output_dim)
            state["output"] = ops.zeros(shape, self.compute_dtype)
        return state

    def get_config(self):
        return {
            **super().get_config(),
            "num_layers": self.num_layers,
            "hidden_dim": self.hidden_dim,
            "output_dim": self.output_dim,
            "cell": self.cell,
            "attention": self._attention,
            "attention_order": self.attention_order,
            "input_feeding": self.input_feeding,
            "dropout": self.dropout,
        }

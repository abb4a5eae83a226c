"""The TensorFlow graph of a `SpeechToText`. It imports TensorFlow."""

import tensorflow as tf

from keras_attention.data.audio import LEAST_POWER, frame_sizes, mel_filters
from keras_attention.export.graph_parts import count_cut
from keras_attention.export.source_to_text_graph import SourceToTextGraph


class SpeechToTextGraph(SourceToTextGraph):
    """Makes log-mel frames of sounds and writes them down, all in a graph."""

    def __init__(self, task):
        super().__init__(
            task,
            [
                tf.TensorSpec([None, None], tf.float32, name="samples"),
                tf.TensorSpec([None], tf.int32, name="lengths"),
            ],
        )

    def _read(self, samples, lengths):
        task = self._task.value
        most = task.inputs.max_samples
        lengths = tf.clip_by_value(lengths, 0, tf.shape(samples)[1])
        limit = f"max_seconds={task.settings['max_seconds']}"
        count_cut(lengths > most, "sounds", limit)
        lengths = tf.minimum(lengths, most)
        # Sounds of like length together, as in the task.
        order = tf.argsort(lengths, stable=True)
        return (samples, lengths), order, lengths == 0

    def _batch(self, rows, chosen):
        samples, lengths = (tf.gather(x, chosen) for x in rows)
        settings = self._task.value.settings
        rate, num_mels = settings["sampling_rate"], settings["num_mels"]
        frame, hop = frame_sizes(rate)
        counts = tf.maximum(lengths, frame) // hop
        longest = tf.reduce_max(counts)

        def one(row):
            frames = log_mel(row[0][: row[1]], rate, num_mels)
            return tf.pad(frames, [[0, longest - tf.shape(frames)[0]], [0, 0]])

        spec = tf.TensorSpec([None, num_mels], tf.float32)
        frames = tf.map_fn(one, (samples, lengths), fn_output_signature=spec)
        return [frames, tf.sequence_mask(counts, longest)]


def log_mel(samples, sampling_rate, num_mels):
    """Does in a graph what `data.audio.log_mel` does.

    Args:
        samples: float32 `(samples,)`.
        sampling_rate, num_mels: integers.

    Returns:
        float32 `(frames, num_mels)`.
    """
    frame, hop = frame_sizes(sampling_rate)
    missing = tf.maximum(frame - tf.size(samples), 0)
    samples = tf.pad(samples, [[0, missing]])
    count = tf.size(samples) // hop
    side = frame // 2
    spectrum = tf.signal.stft(
        tf.pad(samples, [[side, side]], mode="REFLECT"),
        frame,
        hop,
        fft_length=frame,
        window_fn=tf.signal.hann_window,
    )[:count]
    filters = tf.constant(mel_filters(sampling_rate, num_mels), tf.float32)
    mels = tf.square(tf.abs(spectrum)) @ filters
    logarithms = tf.math.log(tf.maximum(mels, LEAST_POWER)) / tf.math.log(10.0)
    logarithms = tf.maximum(logarithms, tf.reduce_max(logarithms) - 8)
    return (logarithms + 4) / 4

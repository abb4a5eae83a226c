"""Speech in, strings out."""

from keras_attention.tasks.core.sound_inputs import SoundInputs
from keras_attention.tasks.sequence_to_sequence import search_settings
from keras_attention.tasks.sequence_to_sequence.base import InputToText


class SpeechToText(InputToText):
    """Writes down what is said, by beam search.

    The model reads log-mel frames, as Whisper does. What a sound becomes does
    not depend on those beside it.

    Args:
        model: an `EncoderDecoder` over an encoder of frames, for example
            `TransformerEncoder(None, 4, 256, 4,
            embedding=AudioEmbedding(256))`.
        tokenizer: the `Tokenizer` of the output.
        sampling_rate: integer, samples per second that the model is used to;
            sounds of another rate are resampled, with a warning that counts
            them.
        num_mels: integer, bands of frequencies of a frame.
        max_seconds: number, the longest sound; longer ones are cut, with a
            warning that counts them.
        max_length: integer, tokens of an output, start and end included.
        min_length, no_repeat_ngram_size, num_beams, length_penalty,
        early_stopping, decoder_start_id, forced_start_id, constraints,
        jit_compile: see `TextToText`.
        batch_size: integer, sounds that are processed together.

    Call arguments:
        sounds: the path of a WAV file, samples `(samples,)` of the task's
            rate, or `(samples, sampling_rate)`, whose samples may have a
            second axis for channels; or a list of these. Floats lie between
            -1 and 1, integers are PCM. One without a sample gives an empty
            text.
        return_scores: whether to give scores too.

    Returns:
        A string for a single sound, or a list of strings. With
        `return_scores` each is a dictionary of `"text"` and `"score"`, the
        best beam's log-probability over `length ** length_penalty`.

    Raises:
        ValueError: if model, tokenizer and settings do not fit together, or
            something is no sound or cannot be read.

    Example:

    ```python
    import numpy as np
    from keras_attention import (
        AudioEmbedding, EncoderDecoder, TransformerDecoder, TransformerEncoder,
    )
    from keras_attention.data import SentencePieceTokenizer
    from keras_attention.tasks import SpeechToText

    tokenizer = SentencePieceTokenizer.train(
        ["one two", "three four"], vocabulary_size=15
    )
    encoder = TransformerEncoder(None, 2, 32, 4, embedding=AudioEmbedding(32))
    decoder = TransformerDecoder(15, 2, 32, 4, cross_attention="multi_head")
    listener = SpeechToText(
        EncoderDecoder(encoder, decoder), tokenizer, max_length=10
    )
    second = np.sin(440 * 2 * np.pi * np.arange(16_000) / 16_000)
    text = listener(second)
    listener.save("listener")
    listener = SpeechToText.load("listener")
    ```

    Reference:
        Chan et al. 2016, Listen, Attend and Spell,
        https://arxiv.org/abs/1508.01211; Radford et al. 2022, Robust Speech
        Recognition via Large-Scale Weak Supervision,
        https://arxiv.org/abs/2212.04356
    """

    kind = "speech_to_text"
    pipeline_tag = "automatic-speech-recognition"
    tokenizer_files = ("tokenizer.model",)

    def __init__(
        self,
        model,
        tokenizer,
        *,
        sampling_rate=16_000,
        num_mels=80,
        max_seconds=30.0,
        max_length=128,
        min_length=0,
        no_repeat_ngram_size=0,
        num_beams=4,
        length_penalty=1.0,
        early_stopping=False,
        batch_size=32,
        decoder_start_id=None,
        forced_start_id=None,
        constraints=None,
        jit_compile="auto",
    ):
        settings = {
            "max_length": max_length,
            "min_length": min_length,
            "no_repeat_ngram_size": no_repeat_ngram_size,
            "num_beams": num_beams,
            "length_penalty": length_penalty,
            "early_stopping": early_stopping,
            "batch_size": batch_size,
            "decoder_start_id": decoder_start_id,
            "forced_start_id": forced_start_id,
            "constraints": search_settings.check_constraints(constraints),
            "jit_compile": jit_compile,
        }
        super().__init__(model, tokenizer, settings)
        self.inputs = SoundInputs(
            model.encoder, sampling_rate, num_mels, max_seconds, batch_size
        )
        self.settings = {**self.inputs.settings, **settings}

    def __call__(self, sounds, *, return_scores=False):
        return self._write(*self.inputs.read(sounds), return_scores)

    def source_batches(self, sources):
        batches = self.inputs.batches(sources, self.compiles_shapes())
        for chosen, frames, mask in batches:
            yield chosen, {"source_ids": frames, "source_padding_mask": mask}

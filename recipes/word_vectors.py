"""Learns vectors of words from texts, for classification.py --word-vectors.

python recipes/word_vectors.py learn files:reviews,train,text --file vectors.txt
"""

if __name__ == "__main__":
    import os
    import signal

    # Ctrl-C and SIGTERM while Keras loads: one line, and the usual exit codes.
    for number, word in (2, b"interrupted\n"), (15, b"terminated\n"):
        if signal.getsignal(number) != signal.SIG_IGN:
            end = lambda n, _, word=word: (os.write(2, word), os._exit(128 + n))
            signal.signal(number, end)

import dataclasses
import os
import re
import sys
import unicodedata
from pathlib import Path

from keras_attention import optional
from keras_attention.data import load_columns
from keras_attention.files import replacing
from keras_attention.runs.checks import UsageError, check_numbers
from keras_attention.runs.commands import run_commands

COMPRESSED = (".gz", ".bz2", ".xz", ".zst")  # by gensim, as the name ends
LONGEST = 10_000  # words of a sentence; gensim drops what is beyond


@dataclasses.dataclass
class Learn:
    """Learns by skip-gram with negative samples (Mikolov et al. 2013).

    Words and punctuation are told apart as in the Penn Treebank.
    """

    texts: list[str]
    """Where texts come from, each DATASET,SPLIT,COLUMN: a dataset is a file of
    a table (whole in any split), files:FOLDER, tfds:NAME or hf:NAME, without a
    comma, and more columns may follow."""
    file: str = "runs/vectors.txt"
    """Where the vectors go, as text; gzip if it ends in .gz."""
    dim: int = 100
    """Numbers of a vector."""
    lowercase: bool = True
    """Whether upper case counts as lower case."""
    window: int = 5
    """Words to each side that a vector learns to foretell, at most."""
    least: int = 3
    """Times that a word must occur."""
    sample: float = 1e-4
    """Share of all words that a frequent one is thinned out to; 0: none."""
    epochs: int = 8
    workers: int = 1
    """Threads. The same seed gives the same vectors with one alone."""
    seed: int = 0


def learn(config):
    """Learns the vectors and writes them, the most frequent words first."""
    check_options(config)
    word2vec = _word2vec()
    file = Path(config.file).expanduser()
    sentences = []
    for source in config.texts:
        for text in load_source(source):
            sentences += split_words(text, config.lowercase)
    count = sum(len(words) for words in sentences)
    print(f"{len(sentences):,} sentences, {count:,} words")
    model = word2vec(
        vector_size=config.dim,
        window=config.window,
        min_count=config.least,
        workers=config.workers,
        seed=config.seed,
        sg=1,
        negative=5,
        sample=config.sample,
    )
    model.build_vocab(sentences)
    if not model.wv.key_to_index:
        raise UsageError(f"No word occurs --least {config.least} times.")
    model.train(sentences, total_examples=len(sentences), epochs=config.epochs)
    with replacing(file) as partial:
        model.wv.save_word2vec_format(str(partial))
    print(f"Wrote {len(model.wv):,} vectors of {config.dim} to {file}")


def check_options(config):
    """Refuses options out of their ranges, and a file that cannot be."""
    if not config.texts:
        raise UsageError("Name texts to learn from: DATASET,SPLIT,COLUMN.")
    if len(set(config.texts)) < len(config.texts):
        raise UsageError("The same texts are named twice.")
    check_numbers(config, "dim", at_least=2)
    check_numbers(config, "window", "least", "epochs", "workers")
    check_numbers(config, "seed", at_least=0, below=2**32)
    check_numbers(config, "sample", at_least=0, below=1)
    file = Path(config.file).expanduser()
    # Before hours of work, not after them.
    folder = next(x for x in file.absolute().parents if x.exists())
    is_file = config.file and not file.is_dir() and folder.is_dir()
    if not is_file or not os.access(folder, os.W_OK):
        raise UsageError(
            f"--file must name a file that can be written. Received: "
            f"{config.file!r}"
        )
    if file.suffix.lower() in COMPRESSED and file.suffix != ".gz":
        raise UsageError(
            f"--file is compressed where it ends in .gz, and in no other way. "
            f"Received: {config.file}"
        )


def load_source(source):
    """Loads the texts that DATASET,SPLIT,COLUMN names.

    Args:
        source: string.

    Returns:
        List of strings.

    Raises:
        UsageError: for anything of another form.
    """
    dataset, *rest = source.split(",")
    if len(rest) < 2 or not all((dataset, *rest)):
        raise UsageError(
            "Texts must be given as DATASET,SPLIT,COLUMN, for example "
            f"files:reviews,train,text. Received: {source}"
        )
    split, *columns = rest
    if len(set(columns)) < len(columns):
        raise UsageError(f"A column is named twice. Received: {source}")
    texts = []
    for column in columns:
        # One by one: of several, a row with one blank would be dropped whole.
        texts += load_columns(dataset, split, [column])[0]
    return texts


def split_words(text, lowercase):
    """Cuts a text into sentences of words and punctuation.

    Args:
        text: string.
        lowercase: whether upper case counts as lower case.

    Returns:
        List of lists of strings.
    """
    nltk = optional.load("nltk.tokenize", "Splitting words")
    text = re.sub(r"<br ?/?>", "\n", text)  # of texts that were web pages
    text = unicodedata.normalize("NFKC", text)
    if lowercase:
        text = text.casefold()
    sentences = re.split(r"(?<=[.!?])\s+|\n+", text)
    rows = map(nltk.TreebankWordTokenizer().tokenize, sentences)
    return [
        # One object for all the times that a word occurs.
        list(map(sys.intern, row[first : first + LONGEST]))
        for row in rows
        for first in range(0, len(row), LONGEST)
    ]


def _word2vec():
    return optional.load("gensim.models", "Learning vectors").Word2Vec


COMMANDS = {"learn": (Learn, learn)}

if __name__ == "__main__":
    run_commands(COMMANDS, __doc__)

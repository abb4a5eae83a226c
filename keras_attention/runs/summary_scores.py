"""How good summaries are, and the baseline beside them."""

import re

from keras_attention import optional

SENTENCES = 3  # of the baseline


def rouge(summaries, references):
    """Means of ROUGE-1, ROUGE-2 and ROUGE-L, F1 with stemming, in percent."""
    scorers = optional.load("rouge_score.rouge_scorer", "Scoring by ROUGE")
    kinds = {"ROUGE-1": "rouge1", "ROUGE-2": "rouge2", "ROUGE-L": "rougeL"}
    scorer = scorers.RougeScorer(list(kinds.values()), use_stemmer=True)
    scores = [
        scorer.score(reference, summary)
        for reference, summary in zip(references, summaries, strict=True)
    ]
    return {
        name: 100 * sum(score[kind].fmeasure for score in scores) / len(scores)
        for name, kind in kinds.items()
    }


def validation_rouge(summaries, references):
    """ROUGE as entries of the logs."""
    scores = rouge(summaries, references)
    return {
        f"val_{name.lower().replace('-', '_')}": value
        for name, value in scores.items()
    }


def lead(text):
    """The first sentences; the end of a line ends one too."""
    sentences = re.split(r"(?<=[.!?])\s+|\s*\n\s*", text.strip())
    return " ".join(sentences[:SENTENCES])


def compression(texts, summaries):
    """Words of all texts over words of all summaries."""
    words = sum(len(summary.split()) for summary in summaries)
    return sum(len(text.split()) for text in texts) / max(words, 1)


def print_scores(summaries, texts, references):
    """Prints ROUGE and compression, beside the baseline and the references.

    Args:
        summaries, texts, references: lists of strings.

    Returns:
        The means of `rouge` for the summaries.
    """
    rows = {
        "model": summaries,
        f"lead-{SENTENCES}": [lead(text) for text in texts],
        "reference": references,
    }
    found = {}
    print(f"{'':9}  ROUGE-1  ROUGE-2  ROUGE-L  compression")
    for name, outputs in rows.items():
        scores = [f"{'-':>7}"] * 3
        if outputs is not references:
            means = rouge(outputs, references)
            found[name] = means
            scores = [f"{x:7.2f}" for x in means.values()]
        ratio = f"{compression(texts, outputs):11.2f}"
        print(f"{name:9}  {'  '.join([*scores, ratio])}")
    print(
        f"{len(texts)} texts; F1 of rouge-score with stemming; compression: "
        "words of the texts over words of the summaries"
    )
    return found["model"]

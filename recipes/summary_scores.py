"""How good summaries are, and the baseline beside them."""

import re

from rouge_score.rouge_scorer import RougeScorer

SENTENCES = 3  # of the baseline


def rouge(summaries, references):
    """Means of ROUGE-1, ROUGE-2 and ROUGE-L, F1 with stemming, in percent."""
    kinds = {"ROUGE-1": "rouge1", "ROUGE-2": "rouge2", "ROUGE-L": "rougeL"}
    scorer = RougeScorer(list(kinds.values()), use_stemmer=True)
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

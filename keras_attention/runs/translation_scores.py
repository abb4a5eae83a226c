"""How good translations are: BLEU, of all or by length."""

import numpy as np

from keras_attention import optional


def bleu_for(targets, **options):
    """BLEU; of as many words in a row as there are where four never are.

    Without any four words in a row it would be 0 by definition.

    Args:
        targets: list of strings, the references.
        **options: of `sacrebleu.BLEU`.

    Returns:
        The `sacrebleu.BLEU`.
    """
    sacrebleu = optional.load("sacrebleu", "Scoring translations")
    short = max(len(target.split()) for target in targets) < 4
    return sacrebleu.BLEU(effective_order=short, **options)


def metrics_for(targets, tokenized):
    """The metrics that translations are evaluated by, the first one first.

    Args:
        targets: list of strings, the references.
        tokenized: whether the texts come tokenised.

    Returns:
        Dictionary from names to metrics of sacrebleu.
    """
    sacrebleu = optional.load("sacrebleu", "Scoring translations")
    # Who says that it comes tokenised need not be told.
    plain = bleu_for(targets, force=tokenized)
    metrics = {"BLEU": plain, "chrF": sacrebleu.CHRF()}
    if tokenized:
        without = bleu_for(targets, tokenize="none", force=True)
        metrics = {"tokenized BLEU": without, **metrics}
    return metrics


def validation_bleu(translations, targets):
    """Corpus BLEU as an entry of the logs."""
    metric = bleu_for(targets, force=True)
    return {"val_bleu": metric.corpus_score(translations, [targets]).score}


def print_by_length(metric, step, sources, translations, targets):
    """Prints the score of sources of each range of lengths, in words.

    Whether it falls on long sentences was the question of Bahdanau et al.
    2014, https://arxiv.org/abs/1409.0473.
    """
    places = np.array([(len(x.split()) - 1) // step for x in sources])
    for place in np.unique(places):
        rows = np.flatnonzero(places == place)
        score = metric.corpus_score(
            [translations[row] for row in rows],
            [[targets[row] for row in rows]],
        )
        print(
            f"  {place * step + 1} to {(place + 1) * step} words: "
            f"{score.score:.2f} ({len(rows)} sentences)"
        )

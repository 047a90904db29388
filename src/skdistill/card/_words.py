"""A student in words: what it reads, how it is made, what it cannot see."""

from skdistill.runtime._kinds import KINDS
from skdistill.runtime._model_file import StoredModel


def name_estimator(model: StoredModel) -> str:
    return f"Distilled{model.kind.upper()}Classifier"


def describe_architecture(model: StoredModel) -> str:
    architecture, vocabulary = model.architecture, model.vocabulary
    width = model.weights["embedding.weight"].shape[1]
    reading = KINDS[model.kind].describe(architecture)
    hidden = architecture["hidden_layer_sizes"]
    layers = f"hidden layers of {', '.join(map(str, hidden))}, " if hidden else ""
    buckets = ""
    if vocabulary.hash_buckets:
        longest = vocabulary.ngram_range[1]
        buckets = f" and {vocabulary.hash_buckets:,} buckets for their n-grams of up to {longest}"
    return (
        f"A student of skdistill: {len(vocabulary.features):,} {name_listed(model)}{buckets} as "
        f"vectors of {width} numbers, {reading}, {layers}and a linear layer for "
        f"{len(model.classes)} {'labels' if model.multilabel else 'classes'}."
    )


def _features(model: StoredModel) -> str:
    return "characters" if model.vocabulary.analyzer == "char" else "words and marks"


def name_unit(model: StoredModel) -> str:
    return "character" if model.vocabulary.analyzer == "char" else "word"


def name_listed(model: StoredModel) -> str:
    """Say what the features of a vocabulary are."""
    least, most = model.vocabulary.ngram_range
    if most == 1 or model.vocabulary.hash_buckets:
        return _features(model)
    lengths = f"{most}" if least == most else f"{least} to {most}"
    return f"n-grams of {lengths} {_features(model)}"


def describe_word_order(model: StoredModel) -> str:
    longest = model.vocabulary.ngram_range[1]
    return KINDS[model.kind].describe_order(model.architecture, _features(model), longest)


def name_prior(model: StoredModel) -> str:
    return f"the {'labels' if model.multilabel else 'classes'}' shares in its training"

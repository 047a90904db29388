"""Describe a student in words: its input, its architecture and its limits."""

from skdistill.runtime._kinds import KINDS
from skdistill.runtime._model_file import StoredModel


def name_estimator(model: StoredModel) -> str:
    return f"Distilled{model.kind.upper()}Classifier"


def describe_architecture(model: StoredModel) -> str:
    architecture, vocabulary = model.architecture, model.vocabulary
    width = model.weights["embedding.weight"].shape[1]
    reading = KINDS[model.kind].describe(architecture)
    hidden = architecture["hidden_layer_sizes"]
    layers = ""
    if hidden:
        noun = "a hidden layer" if len(hidden) == 1 else "hidden layers"
        layers = f"{noun} of {' and '.join(map(str, hidden))} units, "
    buckets = ""
    if vocabulary.hash_buckets:
        longest = vocabulary.ngram_range[1]
        buckets = f" (plus {vocabulary.hash_buckets:,} buckets for n-grams of up to {longest})"
    return (
        f"A skdistill student: an embedding of {len(vocabulary.features):,} "
        f"{name_listed(model)}{buckets} in {width} dimensions, {reading}, {layers}and a linear "
        f"layer for {len(model.classes)} {'labels' if model.multilabel else 'classes'}."
    )


def _features(model: StoredModel) -> str:
    return "characters" if model.vocabulary.analyzer == "char" else "words and punctuation marks"


def name_unit(model: StoredModel) -> str:
    return "character" if model.vocabulary.analyzer == "char" else "word"


def name_listed(model: StoredModel) -> str:
    """Return a plural noun for the features of the vocabulary."""
    least, most = model.vocabulary.ngram_range
    if most == 1 or model.vocabulary.hash_buckets:
        return _features(model)
    lengths = f"{most}" if least == most else f"{least} to {most}"
    return f"n-grams of {lengths} {_features(model)}"


def describe_word_order(model: StoredModel) -> str:
    longest = model.vocabulary.ngram_range[1]
    return KINDS[model.kind].describe_order(model.architecture, _features(model), longest)


def name_prior(model: StoredModel) -> str:
    return f"the shares of the {'labels' if model.multilabel else 'classes'} in its training texts"

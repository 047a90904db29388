"""A student in words: what it reads, how it is made, what it cannot see."""

from skdistill.runtime._model_file import StoredModel

KINDS = {
    "mlp": "DistilledMLPClassifier",
    "cnn": "DistilledCNNClassifier",
    "rnn": "DistilledRNNClassifier",
}


def describe_architecture(model: StoredModel) -> str:
    architecture, vocabulary = model.architecture, model.vocabulary
    width = model.weights["embedding.weight"].shape[1]
    pooling = " and ".join(architecture["pooling"])
    if model.kind == "mlp":
        reading = f"pooled by {pooling}"
        if "attention" in architecture["pooling"]:
            reading += f" over windows of {architecture['context_window']}"
    elif model.kind == "cnn":
        sizes = " and ".join(map(str, architecture["kernel_sizes"]))
        reading = f"{architecture['n_filters']} filters over {sizes} at a time, pooled by {pooling}"
    else:
        ways = "both directions" if architecture["bidirectional"] else "one direction"
        reading = (
            f"a {architecture['cell'].upper()} of width {architecture['hidden_dim']} in {ways}, "
            f"pooled by {pooling}"
        )
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
    architecture, longest = model.architecture, model.vocabulary.ngram_range[1]
    features = _features(model)
    if model.kind == "rnn":
        return f"It reads {features} in their order, and nothing but the text itself."
    if model.kind == "cnn":
        span = max(architecture["kernel_sizes"]) + longest - 1
        return f"It sees the order of {features} within {span} neighbours, not of the whole text."
    if "attention" in architecture["pooling"]:
        span = architecture["context_window"] + longest - 1
        return (
            f"The order of {features}, within {span} neighbours, decides how much each counts, not "
            "for what: a negated word counts for the class for which it always counts."
        )
    if longest > 1:
        return f"Beyond {longest} neighbours, the order of {features} makes no difference to it."
    return f"The order of {features} makes no difference to it: a text is a bag of them."


def name_prior(model: StoredModel) -> str:
    return f"the {'labels' if model.multilabel else 'classes'}' shares in its training"

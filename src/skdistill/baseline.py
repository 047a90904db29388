"""The baseline that every student is measured against."""

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline


def make_tfidf_baseline(C: float = 1.0, *, max_iter: int = 1000) -> Pipeline:
    """Make a logistic regression on TF-IDF weights of words, with scikit-learn's defaults.

    It is the first step of the article and reproduces its 86.1 % on Emotion (86.15 % here). It is
    a plain pipeline: other settings go through ``set_params``.

    Parameters
    ----------
    C : float, default=1.0
        Inverse strength of the penalty. A value tuned on validation texts, often about 10, makes
        a stronger baseline.
    max_iter : int, default=1000
        Maximum number of iterations of the solver: enough that it converges; scikit-learn's own
        default of 100 is too few for larger `C`.

    Returns
    -------
    Pipeline
        Unfitted, with the steps ``"tfidfvectorizer"`` and ``"logisticregression"``. It takes a
        list of texts.

    References
    ----------
    .. [1] M. Wasserblat. "Best practice for text classification with distillation". Intel Labs,
       2021.

    Examples
    --------
    >>> from skdistill import make_tfidf_baseline
    >>> texts = ["salt and butter", "wind and sail", "bread and salt", "a sail in the wind"]
    >>> baseline = make_tfidf_baseline().fit(texts, ["cooking", "sailing", "cooking", "sailing"])
    >>> baseline.predict(["butter on bread"]).tolist()
    ['cooking']
    """
    return Pipeline(
        [
            ("tfidfvectorizer", TfidfVectorizer()),
            ("logisticregression", LogisticRegression(C=C, max_iter=max_iter)),
        ]
    )

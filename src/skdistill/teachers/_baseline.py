"""The baseline that every student is measured against."""

from collections.abc import Iterable
from typing import Any, Self

from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from skdistill._core.texts import check_texts


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
        column of texts of any kind, and refuses what the students refuse.

    See Also
    --------
    distillation_report : The other control, a student's twin on hard labels.

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
            ("tfidfvectorizer", CheckedTfidfVectorizer()),
            ("logisticregression", LogisticRegression(C=C, max_iter=max_iter)),
        ]
    )


class CheckedTfidfVectorizer(TfidfVectorizer):
    """A TF-IDF vectorizer that refuses what is no column of texts, and names the row.

    The original decodes bytes, takes a data frame for the names of its columns, and cannot read
    an Arrow array.
    """

    def fit(self, raw_documents: Iterable[str], y: Any = None) -> Self:
        """Learn vocabulary and weights of a column of texts."""
        super().fit(check_texts(raw_documents), y)
        return self

    def fit_transform(self, raw_documents: Iterable[str], y: Any = None) -> csr_matrix:
        """Learn vocabulary and weights, and weigh the words of the same texts."""
        return super().fit_transform(check_texts(raw_documents), y)

    def transform(self, raw_documents: Iterable[str]) -> csr_matrix:
        """Weigh the words of a column of texts."""
        return super().transform(check_texts(raw_documents))

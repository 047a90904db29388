"""The baseline that students are compared with."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, Self

from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline

from skdistill._core.label_columns import as_labels
from skdistill._core.texts import check_texts

# Close to the best of a cross-validation on most data sets; scikit-learn's default, 1, is weaker.
TUNED_C = 10.0
# Of the error of scikit-learn's vectorizer about texts without words.
NO_WORDS = "empty vocabulary"
_DEFAULT_PATTERN = TfidfVectorizer().token_pattern
# Combining marks of all scripts; above are selectors for variants of characters.
_FIRST_MARK, _LAST_MARK = 0x300, 0x20000
# Zero-width, inside words of Persian and Indian scripts.
_JOINERS = "\u200c\u200d"


def make_tfidf_baseline(C: float = 1.0, *, max_iter: int = 1000) -> Pipeline:
    """Make a pipeline of TF-IDF and logistic regression, with scikit-learn's defaults.

    Its words differ from scikit-learn's in one respect: they contain their combining marks, such as
    the vowel signs of Hindi or Tamil, at which scikit-learn's pattern cuts words into pieces.

    This is the first step of the article [1]_, which reports 86.1 % accuracy on Emotion; this
    pipeline reaches 86.15 %. You can change its other settings with ``set_params``.

    Parameters
    ----------
    C : float, default=1.0
        Inverse regularization strength. The baseline gets stronger if you tune it on validation
        texts; good values are often about 10.
    max_iter : int, default=1000
        Maximum number of iterations of the solver. scikit-learn's default of 100 is too low for
        the solver to converge with a larger `C`.

    Returns
    -------
    Pipeline
        An unfitted pipeline with the steps ``"tfidfvectorizer"`` and ``"logisticregression"``. It
        accepts the same containers of texts as the students, and its `fit` refuses missing labels.

    See Also
    --------
    distillation_report : Compares a student with its twin, which is trained on hard labels only.

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


def make_tuned_baseline(
    *, analyzer: Any = "word", ngram_range: Sequence[int] = (1, 1), multilabel: bool = False
) -> Any:
    """Make a baseline that counts a student's features, for one label per text or several."""
    baseline = make_tfidf_baseline(C=TUNED_C)
    baseline.set_params(
        tfidfvectorizer__analyzer=analyzer, tfidfvectorizer__ngram_range=tuple(ngram_range)
    )
    return OneVsRestClassifier(baseline) if multilabel else baseline


def fit_if_words(baseline: Any, X: Iterable[str], y: Any, **fit_params: Any) -> Any:
    """Fit a baseline and return it, or None if the texts have no words that TF-IDF counts."""
    try:
        return baseline.fit(X, y, **fit_params)
    except ValueError as error:
        if NO_WORDS in str(error):
            return None
        raise


class CheckedTfidfVectorizer(TfidfVectorizer):
    """A TF-IDF vectorizer that accepts any column of texts, and refuses other input and bad labels.

    scikit-learn's vectorizer decodes bytes, reads the column names of a data frame instead of its
    rows, cannot read Arrow arrays, ignores the labels, and cuts words at combining marks.
    """

    def build_tokenizer(self) -> Callable[[str], list[str]]:
        """Return a function that splits a text into words."""
        if self.tokenizer is None and self.token_pattern == _DEFAULT_PATTERN:
            return _words_with_marks().findall
        return super().build_tokenizer()

    def fit(self, raw_documents: Iterable[str], y: Any = None) -> Self:
        """Learn the vocabulary and the weights from a column of texts."""
        _check_labels(y)
        super().fit(check_texts(raw_documents), y)
        return self

    def fit_transform(self, raw_documents: Iterable[str], y: Any = None) -> csr_matrix:
        """Learn the vocabulary and the weights, and transform the same texts."""
        _check_labels(y)
        return super().fit_transform(check_texts(raw_documents), y)

    def transform(self, raw_documents: Iterable[str]) -> csr_matrix:
        """Return the TF-IDF weights of a column of texts."""
        return super().transform(check_texts(raw_documents))


def _check_labels(y: Any) -> None:
    """Refuse missing labels, of which scikit-learn's classifiers make a class."""
    if y is not None:
        as_labels(y)


@cache
def _words_with_marks() -> re.Pattern[str]:
    """Return scikit-learn's pattern for words, of two characters or more, with combining marks."""
    codes = range(_FIRST_MARK, _LAST_MARK)
    marks = "".join(chr(code) for code in codes if unicodedata.category(chr(code))[0] == "M")
    return re.compile(rf"\w[\w{marks}{_JOINERS}]+")

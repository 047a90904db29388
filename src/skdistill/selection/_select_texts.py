"""Choose which texts to have labelled next."""

from collections.abc import Iterable
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions

from skdistill._core.estimators import validate_params
from skdistill._core.labels import check_probabilities
from skdistill._core.multilabel import gives_several_labels, join_columns
from skdistill._core.texts import check_texts

# The best method of benchmarks/select_texts.py.
_DEFAULT = "mixed"


@validate_params(
    {
        "student": [HasMethods(["predict_proba"]), None],
        "texts": "no_validation",
        "n": [Interval(Integral, 1, None, closed="left")],
        "method": [StrOptions({"auto", "random", "uncertainty", "diversity", "mixed"})],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def select_texts(
    student: Any,
    texts: Iterable[str],
    n: int,
    *,
    method: str = "auto",
    random_state: Any = None,
) -> NDArray[np.int64]:
    """Select the texts to have labelled next, if each label costs money or time.

    Label some random texts, fit a student on them, select more texts with it, have them labelled,
    fit the student on all, and so on.

    Parameters
    ----------
    student : fitted classifier over texts, or None
        A student, or any other classifier with ``predict_proba``, fitted on the texts that have
        labels. None if there are none yet; the methods ``"uncertainty"`` and ``"mixed"`` need one.
    texts : iterable of str, of length n_texts
        Texts without labels. Of equal texts, at most the first is selected.
    n : int
        Number of texts to select.
    method : {"auto", "random", "uncertainty", "diversity", "mixed"}, default="auto"
        How to select them:

        - ``"random"``: all with the same probability;
        - ``"uncertainty"``: those with the smallest margin between the two most probable classes;
          if a text may have several labels, between yes and no for the least certain label;
        - ``"diversity"``: texts that share few words, by the seeding of k-means++ [1]_ on TF-IDF;
        - ``"mixed"``: the same seeding with a weight for each text, 1 minus this margin, so that it
          selects uncertain texts that share few words;
        - ``"auto"``: ``"mixed"``, or ``"random"`` without a student.
    random_state : int, RandomState instance or None, default=None
        Seed for all methods but ``"uncertainty"``.

    Returns
    -------
    rows : ndarray of shape (n,), dtype int64
        Positions in `texts`, in the order of selection.

    Raises
    ------
    ValueError
        If there are fewer than `n` different texts, a method needs a student but gets none, or the
        student's probabilities are invalid.
    NotFittedError
        If the student is not fitted.

    See Also
    --------
    CascadeClassifier : Ask the teacher for the labels of single texts at prediction.

    Notes
    -----
    The time of ``"diversity"`` and ``"mixed"`` grows with ``n * n_texts``: they select 1,000 of
    100,000 texts of 11 words in 5 seconds on one core. Of millions of texts, pass a random part.

    References
    ----------
    .. [1] D. Arthur, S. Vassilvitskii. "k-means++: The Advantages of Careful Seeding". SODA 2007.

    Examples
    --------
    >>> from skdistill import make_tfidf_baseline, select_texts
    >>> student = make_tfidf_baseline().fit(["warm soup", "fast train"], ["food", "travel"])
    >>> texts = ["hot soup", "fast food train", "warm train", "soup"]
    >>> select_texts(student, texts, 1, method="uncertainty").tolist()
    [2]
    >>> len(select_texts(student, texts, 2, random_state=0))
    2
    """
    checked = check_texts(texts, name="texts")
    first = dict(zip(reversed(checked), reversed(range(len(checked))), strict=True))
    rows = np.sort(np.fromiter(first.values(), dtype=np.int64, count=len(first)))
    if n > len(rows):
        raise ValueError(
            f"n={n} is more than the {len(rows)} different texts; pass more texts, or a smaller n."
        )
    if method == "auto":
        method = "random" if student is None else _DEFAULT
    rng = check_random_state(random_state)
    if method == "random":
        return rng.permutation(rows)[:n]
    if student is None and method != "diversity":
        raise ValueError(
            f"method={method!r} needs a fitted student, but student is None. Have some texts "
            "labelled that method='random' selects, and fit a student on them."
        )
    pool = [checked[row] for row in rows]
    margins = np.zeros(len(pool)) if method == "diversity" else _margins(student, pool)
    if method == "uncertainty":
        return rows[np.argsort(margins, kind="stable")[:n]]
    return rows[_spread(1 - margins, pool, n, rng)]


def _margins(student: Any, texts: list[str]) -> np.ndarray:
    """Return how much more probable the best class is than the second; see `select_texts`."""
    multilabel = gives_several_labels(student, texts[0])
    given = np.asarray(join_columns(student.predict_proba(texts)))
    proba = check_probabilities(
        given,
        n_rows=len(texts),
        n_classes=given.shape[-1],
        name="student.predict_proba(texts)",
        rows="texts",
        multilabel=multilabel,
    )
    if multilabel:
        return np.abs(2 * proba - 1).min(axis=1)
    best = np.partition(proba, -2, axis=1)[:, -2:]
    return best[:, 1] - best[:, 0]


def _spread(weights: np.ndarray, texts: list[str], n: int, rng: Any) -> np.ndarray:
    """Select texts by the seeding of k-means++ on TF-IDF.

    Each text is drawn with a probability proportional to its weight times its squared distance from
    the nearest one that was drawn before.
    """
    counts = HashingVectorizer(
        n_features=2**18, alternate_sign=False, norm=None, dtype=np.float32
    ).transform(texts)
    used = np.unique(np.append(counts.indices, 0))  # few, but at least one
    words = TfidfTransformer(sublinear_tf=True).fit_transform(counts[:, used])
    lengths = np.diff(words.indptr) > 0  # 1, or 0 without words
    nearest = np.full(len(texts), 2.0)  # the distance of texts that share no words
    drawn = np.zeros(len(texts), dtype=bool)
    rows = np.empty(n, dtype=np.int64)
    for number in range(n):
        chances = np.where(drawn, 0, weights * nearest)
        # Texts of chance 0, such as copies of those drawn, come last.
        total = np.cumsum(chances if chances.any() else ~drawn, dtype=np.float64)
        row = np.searchsorted(total, total[-1] * (1 - rng.random_sample()))
        rows[number] = row
        drawn[row] = True
        distances = 1.0 * lengths + lengths[row] - 2 * (words @ words[row].toarray().ravel())
        np.clip(distances, 0, nearest, out=nearest)
    return rows

"""Draw the scores of several models against the number of labelled texts."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import check_scoring
from sklearn.model_selection import (
    BaseCrossValidator,
    BaseShuffleSplit,
    check_cv,
    learning_curve,
)
from sklearn.utils import _safe_indexing, check_random_state

from skdistill._core.format import format_count
from skdistill._core.label_columns import as_labels, label_names, names_or_numbers
from skdistill._core.labels import check_same_length
from skdistill._core.progress import progress_bar
from skdistill._core.texts import check_texts
from skdistill.displays._base import Display
from skdistill.displays._style import (
    legend_below,
    mark_curve,
    next_curve,
    require_matplotlib,
    soften,
    write_percent,
)
from skdistill.evaluation._model_table import check_columns
from skdistill.evaluation._unlabeled import unlabeled_for
from skdistill.labelling._fingerprint import ignores_rows
from skdistill.labelling._pool import TextPool, as_pool

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import ErrorbarContainer


class LearningCurvesDisplay(Display):
    """Scores of several models against the number of labelled training texts.

    Points are means over the splits, bars are standard deviations. It is recommended to use
    :func:`~skdistill.LearningCurvesDisplay.from_estimators` to create this display.

    Parameters
    ----------
    train_sizes : array-like of shape (n_sizes,)
        Numbers of labelled texts.
    test_scores : dict of str to array-like of shape (n_sizes, n_splits)
        For each model, its scores on held-out texts.
    score_name : str, default=None
        Name of the score. None means accuracy, which is drawn in per cent.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Axes with the curves.
    figure_ : matplotlib Figure
        Figure containing the curves.
    errorbar_ : list of matplotlib ErrorbarContainer
        The curves, one per model.

    See Also
    --------
    sklearn.model_selection.LearningCurveDisplay : Training and test scores of a single model.
    TrainingHistoryDisplay : Loss against epochs.

    Examples
    --------
    >>> from skdistill import LearningCurvesDisplay
    >>> scores = {"student": [[0.6, 0.7], [0.8, 0.8]], "twin": [[0.5, 0.5], [0.7, 0.8]]}
    >>> display = LearningCurvesDisplay([100, 1000], scores).plot()
    >>> display.ax_.get_ylabel()
    'accuracy, % (mean ± std of 2 splits)'
    """

    def __init__(
        self,
        train_sizes: ArrayLike,
        test_scores: Mapping[str, ArrayLike],
        *,
        score_name: str | None = None,
    ):
        self.train_sizes = train_sizes
        self.test_scores = test_scores
        self.score_name = score_name

    def plot(self, *, ax: "Axes | None" = None, errorbar_kw: dict[str, Any] | None = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a new figure.
        errorbar_kw : dict, default=None
            Keyword arguments passed to `matplotlib.axes.Axes.errorbar`.

        Returns
        -------
        self : LearningCurvesDisplay
            The display, with its attributes set.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there are no models, or the shape of a model's scores is wrong.
        """
        if not self.test_scores:
            raise ValueError("test_scores is empty; pass the scores of at least one model.")
        sizes = np.asarray(self.train_sizes)
        ax = self._take_axes(ax, (6.5, 4.6))
        self.errorbar_: list[ErrorbarContainer] = []
        for name, own in self.test_scores.items():
            scores = np.asarray(own, float)
            if scores.ndim != 2 or len(scores) != len(sizes):
                raise ValueError(
                    f"test_scores[{name!r}] must have one row for each of the {len(sizes)} "
                    f"train_sizes and one column for each split, got shape {scores.shape}."
                )
            style = {"capsize": 3, "linewidth": 1.4, **next_curve(ax, name, errorbar_kw)}
            self.errorbar_.append(ax.errorbar(sizes, scores.mean(1), scores.std(1), **style))
            mark_curve(self.errorbar_[-1][0])
        self._label_axes(ax, sizes, n_splits=scores.shape[1])
        legend_below(ax, self.errorbar_, n_columns=3)
        return self

    def _label_axes(self, ax: "Axes", sizes: np.ndarray, n_splits: int) -> None:
        from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

        soften(ax)
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(FixedLocator(sizes.tolist()))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda size, _: format_count(size)))
        what = "accuracy, %" if self.score_name is None else self.score_name
        if self.score_name is None:
            write_percent(ax)
        over = f" (mean ± std of {n_splits} splits)" if n_splits > 1 else ""
        ax.set(xlabel="labelled training texts (log scale)", ylabel=f"{what}{over}")

    @classmethod
    def from_estimators(
        cls,
        estimators: Mapping[str, Any],
        X: Iterable[str],
        y: ArrayLike,
        *,
        X_unlabeled: Iterable[str] | None = None,
        train_sizes: ArrayLike = (0.1, 0.2, 0.4, 0.7, 1.0),
        cv: int
        | BaseCrossValidator
        | BaseShuffleSplit
        | Iterable[tuple[ArrayLike, ArrayLike]]
        | None = None,
        scoring: str | Callable[..., float] | None = None,
        random_state: int | np.random.RandomState | None = 0,
        n_jobs: int | None = None,
        verbose: int = 0,
        ax: "Axes | None" = None,
        errorbar_kw: dict[str, Any] | None = None,
    ) -> Self:
        """Train models on increasing numbers of texts and draw their scores.

        All models are trained and tested on the same texts, with
        :func:`sklearn.model_selection.learning_curve`.

        Parameters
        ----------
        estimators : dict of str to classifier
            Unfitted classifiers over raw texts, by name, such as a student, its teacher and its
            twin. A :class:`~sklearn.frozen.FrozenEstimator`, or a teacher that learns nothing, is
            not trained, so its curve is flat; it must not have seen any text of `X`.
        X : sequence of str, of length n_texts
            Labelled texts.
        y : array-like of shape (n_texts,) or (n_texts, n_labels)
            Their labels.
        X_unlabeled : iterable of str, of length n_unlabeled, or TextPool, default=None
            Texts without labels, the same at each size, for the classifiers that use them.
        train_sizes : array-like of shape (n_sizes,), default=(0.1, 0.2, 0.4, 0.7, 1.0)
            Numbers of labelled texts, or shares of a split's training texts.
        cv : int, cross-validation generator or iterable, default=None
            The splits; None means five folds.
        scoring : str or callable, default=None
            The score; None means accuracy.
        random_state : int, RandomState instance or None, default=0
            Determines the texts drawn for each size.
        n_jobs : int or None, default=None
            Number of fits to run in parallel.
        verbose : int, default=0
            1 shows a progress bar over the models.
        ax : matplotlib Axes, default=None
            Axes to draw on; None creates a new figure.
        errorbar_kw : dict, default=None
            Keyword arguments passed to `matplotlib.axes.Axes.errorbar`.

        Returns
        -------
        display : LearningCurvesDisplay
            The drawn figure.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If there are no models, lengths differ, or the texts of a size lack a class.

        Examples
        --------
        >>> from skdistill import LearningCurvesDisplay, make_tfidf_baseline
        >>> X = ["warm soup", "fresh bread", "fast train", "late bus"] * 8
        >>> y = ["food", "food", "travel", "travel"] * 8
        >>> models = {"C=1": make_tfidf_baseline(), "C=10": make_tfidf_baseline(10)}
        >>> display = LearningCurvesDisplay.from_estimators(
        ...     models, X, y, train_sizes=[10, 20], cv=3)
        >>> display.test_scores["C=10"].shape
        (2, 3)
        """
        require_matplotlib(f"{cls.__name__}.from_estimators")
        if not estimators:
            raise ValueError("estimators is empty; pass at least one classifier.")
        texts = check_texts(X)
        names, codes = label_names(y), as_labels(y)
        check_same_length(len(texts), len(codes), names=("X", "y"))
        for name, estimator in estimators.items():
            if codes.ndim == 2 and isinstance(estimator, FrozenEstimator):
                check_columns(name, estimator, names_or_numbers(y, codes.shape[1]))
        first = next(iter(estimators.values()))
        splits = list(check_cv(cv, codes, classifier=is_classifier(first)).split(texts, codes))
        # A teacher may look at the names of several labels.
        y = codes if names is None else pd.DataFrame(codes, columns=names)
        seed = int(check_random_state(random_state).randint(2**31 - 1))
        sizes, trained = _train_curves(
            estimators,
            texts,
            y,
            as_pool(X_unlabeled),
            verbose,
            cv=splits,
            train_sizes=train_sizes,
            scoring=scoring,
            shuffle=True,
            random_state=seed,
            n_jobs=n_jobs,
            error_score="raise",
        )
        curves = {
            name: trained[name]
            if name in trained
            else np.tile(_score_on_splits(estimator, texts, y, splits, scoring), (len(sizes), 1))
            for name, estimator in estimators.items()
        }
        score_name = None if scoring in (None, "accuracy") else _name_of(scoring)
        return cls(sizes, curves, score_name=score_name).plot(ax=ax, errorbar_kw=errorbar_kw)


def _train_curves(
    estimators: Mapping[str, Any],
    texts: list[str],
    y: np.ndarray | pd.DataFrame,
    pool: TextPool | None,
    verbose: int,
    **options: Any,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the numbers of texts and the scores of the models that learn from them."""
    scores = {}
    for name, estimator in progress_bar(
        estimators.items(), desc="learning curves", unit="model", disable=not verbose
    ):
        if not ignores_rows(estimator):
            with unlabeled_for(estimator, pool) as (model, params):
                sizes, _, scores[name] = learning_curve(model, texts, y, params=params, **options)
    if not scores:
        raise ValueError(
            "All estimators are frozen or learn nothing; pass at least one that can be trained."
        )
    return sizes, scores


def _score_on_splits(
    estimator: Any,
    texts: list[str],
    y: np.ndarray | pd.DataFrame,
    splits: list[Any],
    scoring: Any,
) -> list[float]:
    """Score a model that learns nothing more on the held-out texts of each split."""
    estimator = clone(estimator).fit(texts, y)
    scorer = check_scoring(estimator, scoring)
    return [
        scorer(estimator, [texts[row] for row in test], _safe_indexing(y, test))
        for _, test in splits
    ]


def _name_of(scoring: Any) -> str:
    if isinstance(scoring, str):
        return re.sub("^neg_", "negative ", scoring).replace("_", " ")
    return getattr(scoring, "__name__", "score")

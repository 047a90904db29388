"""Common checks for estimators over raw texts, which scikit-learn's own checks skip.

Of about sixty checks, scikit-learn runs one on an estimator whose input is a column of texts. This
module runs all of them. Checks that need data get the estimator wrapped in
:class:`NumbersAsTexts`, which converts numbers to texts. Checks named ``check_text_*`` test
behaviour that is specific to texts.
"""

import pickle
import random
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial, wraps
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Self

import joblib
import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier
from sklearn.exceptions import EstimatorCheckFailedWarning, NotFittedError, SkipTestWarning
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.utils import InputTags, get_tags
from sklearn.utils._param_validation import StrOptions
from sklearn.utils._testing import SkipTest, assert_allclose, raises, set_random_state
from sklearn.utils.estimator_checks import estimator_checks_generator
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, has_fit_parameter, validate_data

from skdistill._core.estimators import validate_params

if TYPE_CHECKING:
    import pytest

__all__ = ["NumbersAsTexts", "check_text_estimator", "parametrize_with_text_checks"]

_METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")

# scikit-learn's checks of parameters and tags, which need no adapter.
_WITHOUT_DATA = {
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_valid_tag_types",
}


@validate_params(
    {
        "legacy": ["boolean"],
        "expected_failed_checks": [dict, None],
        "on_skip": [StrOptions({"warn"}), None],
        "on_fail": [StrOptions({"raise", "warn"}), None],
        "callback": [callable, None],
    },
    prefer_skip_nested_validation=False,
)
def check_text_estimator(
    estimator: Any,
    *,
    legacy: bool = True,
    expected_failed_checks: dict[str, str] | None = None,
    on_skip: Literal["warn"] | None = "warn",
    on_fail: Literal["raise", "warn"] | None = "raise",
    callback: Callable[..., Any] | None = None,
) -> list[dict[str, Any]]:
    """Check that a classifier or regressor over raw texts follows scikit-learn's conventions.

    This is the counterpart of :func:`sklearn.utils.estimator_checks.check_estimator`, with the same
    parameters and the same result. Most checks fit the estimator several times, on ten to three
    hundred short texts. Choose parameters that make fitting fast but still allow the estimator to
    learn. The checks set `random_state` to 0, but not in nested estimators, so seed those yourself.

    Parameters
    ----------
    estimator : estimator object
        The estimator to check. It is not changed.
    legacy : bool, default=True
        Whether to run all of scikit-learn's checks, not only those of the basic interface.
    expected_failed_checks : dict of str to str, default=None
        Names of checks that may fail, with the reasons.
    on_skip : "warn" or None, default="warn"
        Whether to warn when a check is skipped, for example because a library is missing.
    on_fail : {"raise", "warn"} or None, default="raise"
        Whether to raise the first unexpected failure, to warn of each failure, or only to record
        failures in the result.
    callback : callable, default=None
        Called after each check with the items of its result as keyword arguments. Cannot be
        combined with ``on_fail="raise"``.

    Returns
    -------
    results : list of dict
        For each check ``"estimator"``, ``"check_name"``, ``"exception"`` (None if it passed),
        ``"status"`` (``"passed"``, ``"failed"``, ``"xfail"`` or ``"skipped"``),
        ``"expected_to_fail"`` and ``"expected_to_fail_reason"``.

    Raises
    ------
    Exception
        With ``on_fail="raise"``, the exception of the first check that fails unexpectedly.
    TypeError
        If `estimator` is a class.

    See Also
    --------
    parametrize_with_text_checks : Run the checks as pytest tests.

    Notes
    -----
    The estimator must reject any input that is not a column of texts. Any error will do, except in
    ``check_text_errors_name_the_row``, which requires a helpful message.

    Your estimator may have good reasons to fail some checks. Pipelines that start with a
    scikit-learn vectorizer fail the four checks that the example lists. The students of this
    package and fine-tuned transformers fail one, because training uses mini-batches: a text with
    weight 2 is in one batch, whereas a repeated text may be in two. Students with a teacher may
    fail another one, because class weights do not change the teacher's probabilities. So check a
    student as follows::

        check_text_estimator(
            DistilledMLPClassifier(max_epochs=4, lr=0.1, random_state=0),
            expected_failed_checks={
                "check_sample_weight_equivalence_on_dense_data": "mini-batches",
                "check_text_class_weight": "the teacher is not weighted",
            },
        )

    Examples
    --------
    >>> from collections import Counter
    >>> from sklearn.feature_extraction.text import CountVectorizer
    >>> from sklearn.naive_bayes import MultinomialNB
    >>> from sklearn.pipeline import make_pipeline
    >>> from skdistill import check_text_estimator
    >>> expected = {
    ...     "check_text_bytes_refused": "a vectorizer decodes bytes",
    ...     "check_text_errors_name_the_row": "a vectorizer does not count rows",
    ...     "check_text_pandas_tables_refused": "a vectorizer reads the names of the columns",
    ...     "check_text_pyarrow_columns": "a vectorizer takes strings of Python alone",
    ... }
    >>> pipeline = make_pipeline(CountVectorizer(), MultinomialNB())
    >>> results = check_text_estimator(
    ...     pipeline, expected_failed_checks=expected, on_skip=None)
    >>> Counter(result["status"] for result in results)["failed"]
    0
    """
    if on_fail == "raise" and callback is not None:
        raise ValueError(
            "callback cannot be provided together with on_fail='raise'. "
            "Set on_fail to 'warn' or None."
        )
    expected = expected_failed_checks or {}
    results = []
    for check in _yield_checks(estimator, legacy):
        check_name = _name_of(check)
        result = {
            "estimator": estimator,
            "check_name": check_name,
            "exception": None,
            "status": "passed",
            "expected_to_fail": check_name in expected,
            "expected_to_fail_reason": expected.get(check_name, "Check is not expected to fail"),
        }
        try:
            check(estimator)
        except SkipTest as error:
            result |= {"exception": error, "status": "skipped"}
            if on_skip == "warn":
                warnings.warn(f"Skipping {check_name}: {error}", SkipTestWarning, stacklevel=3)
        except Exception as error:
            if on_fail == "raise" and check_name not in expected:
                raise
            status = "xfail" if check_name in expected else "failed"
            result |= {"exception": error, "status": status}
            if on_fail == "warn":
                warnings.warn(EstimatorCheckFailedWarning(**result), stacklevel=3)
        results.append(result)
        if callback is not None:
            callback(**result)
    return results


def parametrize_with_text_checks(
    estimators: Iterable[Any],
    *,
    legacy: bool = True,
    expected_failed_checks: Callable[[Any], dict[str, str]] | None = None,
    xfail_strict: bool | None = None,
) -> "pytest.MarkDecorator":
    """Decorate a test so that pytest runs it once for each estimator and check.

    This is the counterpart of :func:`sklearn.utils.estimator_checks.parametrize_with_checks`, with
    the same parameters.

    Parameters
    ----------
    estimators : list of estimator objects
        The estimators to check; see :func:`check_text_estimator`.
    legacy : bool, default=True
        Whether to run all of scikit-learn's checks, not only those of the basic interface.
    expected_failed_checks : callable, default=None
        Function that maps an estimator to a dict with the names of checks that may fail, and the
        reasons. These checks are marked as ``xfail``.
    xfail_strict : bool, default=None
        Whether a check that passes despite its ``xfail`` mark counts as a failure. None uses
        pytest's configuration.

    Returns
    -------
    decorator : `pytest.mark.parametrize`
        Decorator for a test with the arguments `estimator` and `check`.

    See Also
    --------
    check_text_estimator : Run the checks without pytest.

    Examples
    --------
    >>> from skdistill import make_tfidf_baseline, parametrize_with_text_checks
    >>> @parametrize_with_text_checks([make_tfidf_baseline()])
    ... def test_conventions(estimator, check):
    ...     check(estimator)
    """
    import pytest

    strict: dict[str, Any] = {} if xfail_strict is None else {"strict": xfail_strict}
    cases = []
    for estimator in estimators:
        expected = expected_failed_checks(estimator) if expected_failed_checks else {}
        title = re.sub(r"\s", "", repr(estimator))
        for check in _yield_checks(estimator, legacy):
            name = _name_of(check)
            marks = [pytest.mark.xfail(reason=expected[name], **strict)] if name in expected else []
            cases.append(
                pytest.param(estimator, check, id=f"{title}-{_call_of(check)}", marks=marks)
            )
    return pytest.mark.parametrize(("estimator", "check"), cases)


def _yield_checks(estimator: Any, legacy: bool) -> Iterator[partial[Any]]:
    """Yield all checks as functions that take only the estimator."""
    if isinstance(estimator, type):
        raise TypeError(f"Pass an instance, such as {estimator.__name__}(), not a class.")
    name = type(estimator).__name__
    for _, check in estimator_checks_generator(_adapt(estimator), legacy=legacy):
        direct = check.func.__name__ in _WITHOUT_DATA
        function = check.func if direct else _with_numbers_as_texts(check.func)
        yield partial(function, name, **check.keywords)
    for function in _yield_text_checks(estimator):
        yield partial(function, name)


def _with_numbers_as_texts(check: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(check)
    def adapted(name: str, estimator: Any, **options: Any) -> None:
        check(name, _adapt(_unfitted(estimator)), **options)

    return adapted


def _name_of(check: partial[Any]) -> str:
    return check.func.__name__


def _call_of(check: partial[Any]) -> str:
    options = ",".join(f"{name}={value}" for name, value in check.keywords.items())
    return _name_of(check) + (f"({options})" if options else "")


# ---- scikit-learn's checks: numbers written as texts


def _answer_of(method: str) -> Any:
    def ask(self: "NumbersAsTexts", X: ArrayLike) -> Any:
        return getattr(self._child(), method)(self._write(X, reset=False))

    ask.__name__ = method
    ask.__doc__ = f"Convert numbers to texts and call `{method}` on them."
    return available_if(lambda self: hasattr(self.estimator, method))(ask)


class NumbersAsTexts(MetaEstimatorMixin, BaseEstimator):
    """Wrapper that lets an estimator over texts take a table of numbers.

    Each row becomes a text with one word per column. A word consists of the column's number and its
    value, rounded down to a multiple of 0.25. The wrapper checks the shape of the table and rejects
    missing and infinite values. The estimator checks labels and weights.

    Parameters
    ----------
    estimator : estimator object
        The estimator over texts. `fit` fits a clone of it.

    Attributes
    ----------
    estimator_ : estimator object
        The fitted clone.
    classes_ : ndarray of shape (n_classes,)
        The clone's classes, if it has any.
    n_features_in_ : int
        Number of columns of the table.

    Examples
    --------
    >>> from skdistill import make_tfidf_baseline
    >>> from skdistill.estimator_checks import NumbersAsTexts
    >>> model = NumbersAsTexts(make_tfidf_baseline())
    >>> model.fit([[0.1, -2.0], [0.2, -1.9], [5.0, 3.0]], ["low", "low", "high"])
    NumbersAsTexts(...)
    >>> sorted(model.estimator_["tfidfvectorizer"].vocabulary_)
    ['f0v0', 'f0v20', 'f1below8', 'f1v12']
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Fit a clone of the estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The table of numbers.
        y : array-like of shape (n_samples,), default=None
            The target, passed on to the estimator.

        Returns
        -------
        self : object
        """
        return self._fit(X, y)

    def _fit(self, X: ArrayLike, y: ArrayLike | None, **options: Any) -> Self:
        self.estimator_ = clone(self.estimator).fit(self._write(X, reset=True), y, **options)
        if hasattr(self.estimator_, "classes_"):
            self.classes_ = self.estimator_.classes_
        return self

    predict = _answer_of("predict")
    predict_proba = _answer_of("predict_proba")
    predict_log_proba = _answer_of("predict_log_proba")
    decision_function = _answer_of("decision_function")

    @available_if(lambda self: hasattr(self.estimator, "score"))
    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Convert numbers to texts and call `score` on them."""
        return float(self._child().score(self._write(X, reset=False), y))

    def _child(self) -> Any:
        # Before `fit`, the estimator itself must raise NotFittedError.
        return getattr(self, "estimator_", self.estimator)

    def _write(self, X: ArrayLike, *, reset: bool) -> list[str]:
        numbers = np.floor(4 * validate_data(self, X, reset=reset)).astype(int)
        return [
            " ".join(
                f"f{column}{'below' if value < 0 else 'v'}{abs(value)}"
                for column, value in enumerate(row)
            )
            for row in numbers.tolist()
        ]

    def __sklearn_tags__(self) -> Any:
        tags = get_tags(self.estimator)
        tags.input_tags = InputTags()
        tags.no_validation = False
        return tags


class _WeightedNumbersAsTexts(NumbersAsTexts):
    # scikit-learn reads the signature of `fit` to decide whether to check weights.
    def fit(
        self, X: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        options = {} if sample_weight is None else {"sample_weight": sample_weight}
        return self._fit(X, y, **options)


def _adapt(estimator: Any) -> NumbersAsTexts:
    weighted = has_fit_parameter(estimator, "sample_weight")
    return (_WeightedNumbersAsTexts if weighted else NumbersAsTexts)(estimator)


# ---- texts that are quick to learn


def _make_words() -> list[str]:
    syllables = [consonant + vowel for consonant in "bdfgklmnprst" for vowel in "aeiou"]
    return [first + second for first in syllables[:12] for second in syllables]


_WORDS = _make_words()
_FILLERS, _TOPICS = _WORDS[:8], _WORDS[8:]


def _make_texts(n_texts: int = 40, n_classes: int = 2) -> tuple[list[str], np.ndarray]:
    """Make texts of two class-specific words and two words that all classes share."""
    rng = np.random.default_rng(0)
    codes = np.arange(n_texts) % n_classes
    texts = []
    for code in codes:
        words = [*rng.choice(_TOPICS[4 * code : 4 * code + 4], 2), *rng.choice(_FILLERS, 2)]
        texts.append(" ".join(rng.permutation(words).tolist()))
    return texts, codes


def _fit(estimator: Any, X: Any = None, y: Any = None) -> Any:
    """Fit a seeded clone, by default on texts of two classes."""
    texts, codes = _make_texts()
    model = _unfitted(estimator)
    return model.fit(texts if X is None else X, codes if y is None else y)


def _unfitted(estimator: Any) -> Any:
    model = clone(estimator)
    set_random_state(model)
    return model


def _answers(model: Any, X: Any) -> dict[str, np.ndarray]:
    return {
        method: np.asarray(getattr(model, method)(X))
        for method in _METHODS
        if hasattr(model, method)
    }


def _assert_same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], why: str) -> None:
    for method, values in expected.items():
        message = f"{method} {why}"
        if values.dtype.kind == "f":
            assert_allclose(found[method], values, atol=1e-6, err_msg=message)
        else:
            np.testing.assert_array_equal(found[method], values, err_msg=message)


def _assert_usable(model: Any, texts: list[str], why: str) -> None:
    """Require a prediction for each text: a known class, or a number that is not NaN."""
    for method, values in _answers(model, texts).items():
        assert len(values) == len(texts), f"{method} returns the wrong number of rows for {why}"
        if method == "predict" and hasattr(model, "classes_"):
            assert np.isin(values, model.classes_).all(), (
                f"predict returns a class that is not in classes_ for {why}"
            )
        else:
            assert not np.isnan(values).any(), f"{method} returns NaN for {why}"


def _optional(library: str) -> ModuleType:
    try:
        return import_module(library)
    except ImportError as error:
        raise SkipTest(f"{library} is not installed") from error


# ---- checks on texts


def _yield_text_checks(estimator: Any) -> Iterator[Callable[..., Any]]:
    tags = get_tags(estimator)
    yield check_text_lists_and_tuples
    yield check_text_numpy_columns
    yield check_text_pandas_columns
    yield check_text_pandas_arrow_columns
    yield check_text_polars_columns
    yield check_text_pyarrow_columns
    yield check_text_datasets_columns
    yield check_text_bare_string_refused
    yield check_text_missing_column_refused
    yield check_text_empty_column_refused
    yield check_text_missing_rows_refused
    yield check_text_bytes_refused
    yield check_text_numbers_refused
    yield check_text_lists_of_tokens_refused
    yield check_text_numpy_tables_refused
    yield check_text_pandas_tables_refused
    yield check_text_polars_tables_refused
    yield check_text_pyarrow_tables_refused
    yield check_text_datasets_tables_refused
    yield check_text_errors_name_the_row
    yield check_text_empty_texts
    yield check_text_nothing_to_learn_from
    yield check_text_unknown_texts
    yield check_text_unicode
    yield check_text_lone_surrogates
    yield check_text_control_characters
    if hasattr(estimator, "predict"):
        yield check_text_one_megabyte
    yield check_text_before_fit
    yield check_text_clone_is_unfitted
    yield check_text_fit_forgets
    yield check_text_fit_keeps_parameters
    yield check_text_fit_leaves_its_input
    yield check_text_predict_changes_nothing
    if hasattr(estimator, "score"):
        yield check_text_cross_validation
    if not tags.non_deterministic:
        yield check_text_order_invariance
        yield check_text_subset_invariance
        yield check_text_repeated_texts
        yield check_text_pickle
        yield check_text_fit_repeats
        yield check_text_global_generators
    if is_classifier(estimator):
        yield from _yield_text_classifier_checks(estimator, tags)


def _yield_text_classifier_checks(classifier: Any, tags: Any) -> Iterator[Callable[..., Any]]:
    yield check_text_string_labels
    yield check_text_object_labels
    yield check_text_integer_labels
    yield check_text_boolean_labels
    yield check_text_list_labels
    yield check_text_pandas_labels
    yield check_text_two_classes
    if tags.classifier_tags.multi_class:
        yield check_text_many_classes
    if not tags.classifier_tags.poor_score:
        yield check_text_learns
        if "class_weight" in classifier.get_params(deep=False):
            yield check_text_class_weight
    if hasattr(classifier, "predict_proba"):
        yield check_text_probabilities
        if not tags.classifier_tags.poor_score:
            yield check_text_probabilities_follow_classes


# Containers: the type of the column makes no difference.


def _check_like_a_list(estimator: Any, columns: list[Any]) -> None:
    texts, codes = _make_texts()
    expected = _answers(_fit(estimator), texts)
    for column in columns:
        kind = f"{type(column).__name__} of {getattr(column, 'dtype', 'str')}"
        found = _answers(_fit(estimator, column, codes), column)
        _assert_same(found, expected, f"differs between a {kind} and a list")


def check_text_lists_and_tuples(name: str, estimator: Any) -> None:
    """A tuple, or a list with a subclass of str, works like a list of str."""
    texts, _ = _make_texts()
    _check_like_a_list(estimator, [tuple(texts), list(map(np.str_, texts))])


def check_text_numpy_columns(name: str, estimator: Any) -> None:
    """NumPy's three kinds of string arrays work like a list."""
    texts, _ = _make_texts()
    kinds: list[Any] = [object, np.str_, np.dtypes.StringDType()]
    _check_like_a_list(estimator, [np.array(texts, dtype=kind) for kind in kinds])


def check_text_pandas_columns(name: str, estimator: Any) -> None:
    """A pandas column works like a list, whatever its index."""
    pandas = _optional("pandas")
    texts, _ = _make_texts()
    index = range(len(texts), 0, -1)
    columns = [pandas.Series(texts, index=index, dtype=kind) for kind in (object, "str")]
    _check_like_a_list(estimator, columns)


def check_text_pandas_arrow_columns(name: str, estimator: Any) -> None:
    """A pandas column of Arrow strings works like a list."""
    pandas, _ = _optional("pandas"), _optional("pyarrow")
    _check_like_a_list(estimator, [pandas.Series(_make_texts()[0], dtype="string[pyarrow]")])


def check_text_polars_columns(name: str, estimator: Any) -> None:
    """A polars column works like a list."""
    _check_like_a_list(estimator, [_optional("polars").Series(_make_texts()[0])])


def check_text_pyarrow_columns(name: str, estimator: Any) -> None:
    """An Arrow array, in one chunk or several, works like a list."""
    pyarrow = _optional("pyarrow")
    texts, _ = _make_texts()
    columns = [pyarrow.array(texts), pyarrow.chunked_array([texts[:9], texts[9:]])]
    _check_like_a_list(estimator, columns)


def check_text_datasets_columns(name: str, estimator: Any) -> None:
    """A column of a Hugging Face data set works like a list."""
    data = _optional("datasets").Dataset.from_dict({"text": _make_texts()[0]})
    _check_like_a_list(estimator, [data["text"]])


# Rejections: input that is not a column of texts raises an error, in `fit` and in every prediction
# method. Any of the usual errors will do, even an AttributeError, unless a check tests the message.


def _check_refused(
    estimator: Any,
    X: Any,
    what: str,
    errors: tuple[type[Exception], ...] = (AttributeError, TypeError, ValueError),
    match: str | None = None,
) -> None:
    model = _fit(estimator)
    _, codes = _make_texts()
    with raises(errors, match, err_msg=f"fit should reject {what}"):
        _unfitted(estimator).fit(X, codes)
    for method in _METHODS:
        if hasattr(model, method):
            with raises(errors, match, err_msg=f"{method} should reject {what}"):
                getattr(model, method)(X)


def _with_row(value: Any, row: int = 23) -> list[Any]:
    texts: list[Any] = list(_make_texts()[0])
    texts[row] = value
    return texts


def check_text_bare_string_refused(name: str, estimator: Any) -> None:
    """A bare string is rejected, not read as a column of characters."""
    one_character_a_label = "text" * (len(_make_texts()[0]) // 4)
    _check_refused(estimator, one_character_a_label, "a bare string")


def check_text_missing_column_refused(name: str, estimator: Any) -> None:
    """None is rejected."""
    _check_refused(estimator, None, "None")


def check_text_empty_column_refused(name: str, estimator: Any) -> None:
    """A column without rows is rejected."""
    _check_refused(estimator, [], "a column without rows")


def check_text_missing_rows_refused(name: str, estimator: Any) -> None:
    """A row that is None or NaN is rejected."""
    for missing in (None, float("nan")):
        _check_refused(estimator, _with_row(missing), f"a row that is {missing}")


def check_text_bytes_refused(name: str, estimator: Any) -> None:
    """A row of bytes is rejected, not decoded."""
    _check_refused(estimator, _with_row(b"bytes"), "a row of bytes")


def check_text_numbers_refused(name: str, estimator: Any) -> None:
    """A row that is a number is rejected, not converted to digits."""
    _check_refused(estimator, _with_row(5), "a row that is a number")


def check_text_lists_of_tokens_refused(name: str, estimator: Any) -> None:
    """Rows that are lists of tokens are rejected."""
    _check_refused(estimator, [text.split() for text in _make_texts()[0]], "lists of tokens")


def check_text_numpy_tables_refused(name: str, estimator: Any) -> None:
    """A two-dimensional array is rejected, even with a single column."""
    _check_refused(estimator, np.array(_make_texts()[0]).reshape(-1, 1), "a table")


def check_text_pandas_tables_refused(name: str, estimator: Any) -> None:
    """A pandas data frame is rejected, not read as its column names."""
    pandas = _optional("pandas")
    _check_refused(estimator, pandas.DataFrame({"text": _make_texts()[0]}), "a data frame")


def check_text_polars_tables_refused(name: str, estimator: Any) -> None:
    """A polars data frame is rejected."""
    polars = _optional("polars")
    _check_refused(estimator, polars.DataFrame({"text": _make_texts()[0]}), "a polars data frame")


def check_text_pyarrow_tables_refused(name: str, estimator: Any) -> None:
    """An Arrow table is rejected."""
    pyarrow = _optional("pyarrow")
    _check_refused(estimator, pyarrow.table({"text": _make_texts()[0]}), "an Arrow table")


def check_text_datasets_tables_refused(name: str, estimator: Any) -> None:
    """A whole Hugging Face data set is rejected."""
    data = _optional("datasets").Dataset.from_dict({"text": _make_texts()[0]})
    _check_refused(estimator, data, "a whole data set")


def check_text_errors_name_the_row(name: str, estimator: Any) -> None:
    """The error about an invalid row names its number."""
    for value in (None, float("nan"), b"bytes", 5):
        what = f"{value!r} with a TypeError or ValueError that names the row"
        broken = _with_row(value, row=23)
        _check_refused(estimator, broken, what, (TypeError, ValueError), match=r"\b23\b")


# Texts: any string gets a prediction.


def _check_answered(estimator: Any, unusual: list[str], what: str) -> None:
    texts, codes = _make_texts()
    _assert_usable(_fit(estimator), unusual, what)
    mixed = [*unusual, *texts[len(unusual) :]]
    _assert_usable(_fit(estimator, mixed, codes), mixed, f"{what} in the training texts")


def check_text_empty_texts(name: str, estimator: Any) -> None:
    """Empty and blank texts are accepted."""
    _check_answered(estimator, ["", " ", "\n\t", "\u00a0"], "empty texts")


def check_text_nothing_to_learn_from(name: str, estimator: Any) -> None:
    """If all texts are empty, `fit` either works or raises a ValueError."""
    _, codes = _make_texts()
    blank = [""] * len(codes)
    message = "fit should reject, or learn, empty texts"
    with warnings.catch_warnings(), raises(ValueError, may_pass=True, err_msg=message):
        warnings.simplefilter("ignore")  # it may also warn
        _assert_usable(_fit(estimator, blank, codes), blank, "empty texts")


def check_text_unknown_texts(name: str, estimator: Any) -> None:
    """Texts of words that `fit` has not seen get predictions."""
    _assert_usable(_fit(estimator), ["xyzzy quux", "?!", "xyzzy"], "unknown words")


def check_text_unicode(name: str, estimator: Any) -> None:
    """Texts in any script, with emoji or combining characters, get predictions."""
    unusual = [
        "naïve Straße İ ǆ",
        "我喜欢读书",
        "אני אוהב",
        "👩‍👩‍👧‍👦 🇫🇷 👍🏽",
        "e\u0301 \u202eabc",
        "\U0010ffff",
    ]
    _check_answered(estimator, unusual, "unusual characters")


def check_text_lone_surrogates(name: str, estimator: Any) -> None:
    """Texts with lone surrogates, as in damaged files, get predictions."""
    _check_answered(estimator, ["\ud800", "half a \udfff character", "\udc80"], "lone surrogates")


def check_text_control_characters(name: str, estimator: Any) -> None:
    """Texts with control characters get predictions, and do not affect other texts."""
    texts, _ = _make_texts()
    model = _fit(estimator)
    _check_answered(estimator, ["\0", "a\0b", "\x1c\x1d\x85\u2028", "\ufeff"], "control characters")
    found = _answers(model, ["\0", texts[0], "\x1f", texts[1]])
    rows = {method: values[1::2] for method, values in found.items()}
    _assert_same(rows, _answers(model, texts[:2]), "depends on control characters in other texts")


def check_text_one_megabyte(name: str, estimator: Any) -> None:
    """Very long texts and very long words get predictions."""
    words = " ".join("".join(_WORDS[start : start + 5]) for start in range(0, len(_WORDS), 5))
    texts = [words * (1_000_000 // len(words)), "x" * 1_000_000, ""]
    assert len(_fit(estimator).predict(texts)) == len(texts)


# Consistency: the same text gets the same prediction.


def check_text_before_fit(name: str, estimator: Any) -> None:
    """Predicting before `fit` raises NotFittedError."""
    model = _unfitted(estimator)
    with raises(NotFittedError, err_msg="check_is_fitted should fail before fit"):
        check_is_fitted(model)
    for method in _METHODS:
        if hasattr(model, method):
            message = f"{method} should raise NotFittedError before fit"
            with raises(NotFittedError, err_msg=message):
                getattr(model, method)(["a text"])


def check_text_clone_is_unfitted(name: str, estimator: Any) -> None:
    """A clone of a fitted estimator keeps its parameters and is not fitted."""
    model = _fit(estimator)
    check_is_fitted(model)
    copy = clone(model)
    assert copy.get_params().keys() == model.get_params().keys()
    with raises(NotFittedError, err_msg="a clone should not be fitted"):
        check_is_fitted(copy)


def check_text_fit_forgets(name: str, estimator: Any) -> None:
    """A second `fit` on other texts discards the first."""
    texts, codes = _make_texts()
    others = [text[::-1] for text in texts]
    model = _fit(estimator).fit(others, 1 - codes)
    fresh = _fit(estimator, others, 1 - codes)
    if get_tags(estimator).non_deterministic:
        _assert_usable(model, texts, "texts of an earlier fit")
    else:
        _assert_same(_answers(model, texts), _answers(fresh, texts), "depends on an earlier fit")


def check_text_fit_keeps_parameters(name: str, estimator: Any) -> None:
    """`fit` changes neither parameters nor objects nested in them."""
    if isinstance(estimator, Pipeline):
        raise SkipTest("a Pipeline fits its steps in place")
    model = _unfitted(estimator)
    before = {parameter: joblib.hash(value) for parameter, value in model.get_params().items()}
    model.fit(*_make_texts())
    for parameter, value in model.get_params().items():
        assert joblib.hash(value) == before[parameter], f"fit changes the parameter {parameter}"


def check_text_fit_leaves_its_input(name: str, estimator: Any) -> None:
    """`fit` and predictions leave texts and labels unchanged, and accept read-only arrays."""
    texts, codes = _make_texts()
    X, y = list(texts), codes.copy()
    _answers(_fit(estimator, X, y), X)
    assert texts == X, "fit or predictions change the texts"
    np.testing.assert_array_equal(y, codes, err_msg="fit or predictions change the labels")
    array = np.array(texts, dtype=object)
    for values in (array, codes):
        values.flags.writeable = False
    _answers(_fit(estimator, array, codes), array)


def check_text_predict_changes_nothing(name: str, estimator: Any) -> None:
    """Predicting does not change the estimator's attributes."""
    model = _fit(estimator)
    before = dict(vars(model))
    _answers(model, _make_texts()[0])
    after = vars(model)
    changed = [key for key in {**before, **after} if before.get(key) is not after.get(key)]
    assert not changed, f"predictions change the attributes {changed}"


def check_text_cross_validation(name: str, estimator: Any) -> None:
    """Cross-validation works on lists and arrays of texts."""
    texts, codes = _make_texts()
    for X in (texts, np.array(texts)):
        scores = cross_val_score(_unfitted(estimator), X, codes, cv=2, error_score="raise")
        assert np.isfinite(scores).all()


def check_text_order_invariance(name: str, estimator: Any) -> None:
    """The order of texts changes only the order of predictions."""
    texts, _ = _make_texts()
    model = _fit(estimator)
    order = np.random.default_rng(0).permutation(len(texts))
    found = _answers(model, [texts[row] for row in order])
    expected = {method: values[order] for method, values in _answers(model, texts).items()}
    _assert_same(found, expected, "depends on the order of texts")


def check_text_subset_invariance(name: str, estimator: Any) -> None:
    """A text gets the same prediction alone as among longer and shorter texts."""
    texts = [*_make_texts(10)[0], "", " ".join(_WORDS[:50])]
    model = _fit(estimator)
    single = [_answers(model, [text]) for text in texts]
    found = {method: np.concatenate([answer[method] for answer in single]) for method in single[0]}
    _assert_same(found, _answers(model, texts), "depends on the other texts")


def check_text_repeated_texts(name: str, estimator: Any) -> None:
    """The same text gets the same prediction in every row."""
    texts = _make_texts(3)[0] * 5
    for method, values in _answers(_fit(estimator), texts).items():
        expected = np.concatenate([values[:3]] * 5)
        _assert_same({method: values}, {method: expected}, "differs between equal texts")


def check_text_pickle(name: str, estimator: Any) -> None:
    """A fitted estimator predicts the same after pickling."""
    texts, _ = _make_texts()
    model = _fit(estimator)
    copy = pickle.loads(pickle.dumps(model))
    _assert_same(_answers(copy, texts), _answers(model, texts), "differs after pickling")


def check_text_fit_repeats(name: str, estimator: Any) -> None:
    """With a fixed `random_state`, fitting twice yields the same predictions."""
    texts, _ = _make_texts()
    first, second = _fit(estimator), _fit(estimator)
    _assert_same(_answers(second, texts), _answers(first, texts), "differs between two fits")


def check_text_global_generators(name: str, estimator: Any) -> None:
    """With a fixed `random_state`, the estimator neither uses nor changes global generators."""
    texts, _ = _make_texts()
    expected = _answers(_fit(estimator), texts)
    # After a first fit, because its imports may draw random numbers themselves.
    generators = _global_generators()
    states = {library: read() for library, (read, _, _) in generators.items()}
    try:
        for _, _, draw in generators.values():
            draw()
        before = {library: joblib.hash(read()) for library, (read, _, _) in generators.items()}
        found = _answers(_fit(estimator), texts)
        for library, (read, _, _) in generators.items():
            message = f"fit or predictions change the global generator of {library}"
            assert joblib.hash(read()) == before[library], message
    finally:
        for library, (_, write, _) in generators.items():
            write(states[library])
    _assert_same(found, expected, "depends on global random generators")


def _global_generators() -> dict[str, tuple[Callable[..., Any], ...]]:
    """Return functions that read, write and advance each loaded library's generator."""
    numpy_random: Any = np.random
    generators: dict[str, tuple[Callable[..., Any], ...]] = {
        "random": (random.getstate, random.setstate, random.random),
        "numpy": (numpy_random.get_state, numpy_random.set_state, numpy_random.random),
    }
    if "torch" in sys.modules:
        import torch

        generators["torch"] = (
            lambda: torch.get_rng_state().numpy(),
            lambda state: torch.set_rng_state(torch.from_numpy(state)),
            lambda: torch.rand(1),
        )
    return generators


# Labels and probabilities.


def _check_labels(estimator: Any, classes: Any, n_texts: int = 40) -> Any:
    """Fit on labels in unsorted order, and check that predictions have their type."""
    texts, codes = _make_texts(n_texts, len(classes))
    labels = classes[codes]
    model = _fit(estimator, texts, labels)
    np.testing.assert_array_equal(
        model.classes_, np.unique(labels), err_msg="classes_ should be the sorted labels"
    )
    predicted = np.asarray(model.predict(texts))
    assert predicted.shape == (len(texts),)
    kinds = {type(label) for label in predicted.tolist()}
    assert kinds <= {type(label) for label in labels.tolist()}, "predict changes the labels' type"
    assert np.isin(predicted, classes).all(), "predict returns a class that is not in classes_"
    for method, values in _answers(model, texts).items():
        binary = method == "decision_function" and len(classes) == 2
        if method != "predict":
            width = () if binary else (len(classes),)
            assert values.shape == (len(texts), *width), f"{method} has shape {values.shape}"
    return model


def check_text_string_labels(name: str, estimator: Any) -> None:
    """Labels may be strings."""
    _check_labels(estimator, np.array(["yes", "no"]))


def check_text_object_labels(name: str, estimator: Any) -> None:
    """Labels may be strings in an array of objects."""
    _check_labels(estimator, np.array(["ẞ yes", "no"], dtype=object))


def check_text_integer_labels(name: str, estimator: Any) -> None:
    """Labels may be integers, negative and with gaps."""
    _check_labels(estimator, np.array([7, -3]))


def check_text_boolean_labels(name: str, estimator: Any) -> None:
    """Labels may be booleans."""
    _check_labels(estimator, np.array([True, False]))


def check_text_list_labels(name: str, estimator: Any) -> None:
    """Labels may come in a list."""
    texts, codes = _make_texts()
    model = _fit(estimator, texts, ["yes" if code else "no" for code in codes])
    assert list(model.classes_) == ["no", "yes"]


def check_text_pandas_labels(name: str, estimator: Any) -> None:
    """Labels may come in a pandas column, with any index."""
    pandas = _optional("pandas")
    texts, codes = _make_texts()
    labels = pandas.Series(codes, index=range(len(codes), 0, -1))
    found, expected = _fit(estimator, texts, labels), _fit(estimator)
    _assert_same(_answers(found, texts), _answers(expected, texts), "differs for pandas labels")


def check_text_two_classes(name: str, estimator: Any) -> None:
    """The methods agree on the more likely of two classes."""
    _check_agreement(_check_labels(estimator, np.array([1, 0])), _make_texts()[0])


def check_text_many_classes(name: str, estimator: Any) -> None:
    """The methods agree on the most likely of many classes."""
    classes = np.array([f"class {number}" for number in range(20)])[::-1]
    model = _check_labels(estimator, classes, n_texts=100)
    _check_agreement(model, _make_texts(100, 20)[0])


def _check_agreement(model: Any, texts: list[str]) -> None:
    answers = _answers(model, texts)
    predicted = answers.pop("predict")
    for method, values in answers.items():
        winners = values.argmax(axis=1) if values.ndim == 2 else (values > 0).astype(int)
        message = f"predict should return the class with the highest {method}"
        np.testing.assert_array_equal(model.classes_[winners], predicted, err_msg=message)


def check_text_learns(name: str, estimator: Any) -> None:
    """The estimator learns classes that differ in their words."""
    texts, codes = _make_texts()
    score = np.mean(_fit(estimator).predict(texts) == codes)
    assert score > 0.8, f"only {score:.0%} of the training texts are predicted correctly"


def check_text_class_weight(name: str, estimator: Any) -> None:
    """If texts do not separate the classes, a class with far more weight is predicted."""
    vague = np.repeat(_FILLERS, 8).tolist()
    codes = np.arange(len(vague)) % 2
    for heavy in (0, 1):
        model = _unfitted(estimator).set_params(class_weight={heavy: 1000, 1 - heavy: 1e-4})
        share = np.mean(model.fit(vague, codes).predict(vague) == heavy)
        assert share > 0.87, (
            f"class {heavy} has nearly all the weight, but only {share:.0%} of the predictions"
        )


def check_text_probabilities(name: str, estimator: Any) -> None:
    """Probabilities sum to 1 for every text, and match their logarithms."""
    texts = [*_make_texts()[0], "", "xyzzy"]
    model = _fit(estimator)
    proba = model.predict_proba(texts)
    assert (proba >= 0).all(), "probabilities are negative"
    assert_allclose(proba.sum(axis=1), 1, rtol=1e-5, err_msg="probabilities do not sum to 1")
    if hasattr(model, "predict_log_proba"):
        found = np.exp(model.predict_log_proba(texts))
        assert_allclose(
            found, proba, rtol=1e-4, atol=1e-6, err_msg="predict_log_proba does not match"
        )


def check_text_probabilities_follow_classes(name: str, estimator: Any) -> None:
    """Columns follow `classes_`: renaming the classes reorders them."""
    texts, codes = _make_texts()
    expected = _fit(estimator, texts, np.array(["a", "b"])[codes]).predict_proba(texts)
    found = _fit(estimator, texts, np.array(["b", "a"])[codes]).predict_proba(texts)
    winners = expected.argmax(axis=1)
    agreement = np.mean(found.argmax(axis=1) == 1 - winners)
    assert agreement > 0.8, f"only {agreement:.0%} of the rows follow the order of classes_"

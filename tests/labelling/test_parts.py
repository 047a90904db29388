"""Teachers that answer in parts."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdistill import FunctionTeacherClassifier, make_tfidf_baseline
from skdistill.labelling._parts import answers_in_parts, shows_progress

TEXTS = ["one", "two", "three", "four", "five"]


def make_paid(batch_size=2):
    function = FunctionTeacherClassifier(
        lambda texts: ["upper" if text.isupper() else "lower" for text in texts],
        classes=["lower", "upper"],
        batch_size=batch_size,
    )
    return function.fit(["x"])


def upper(texts):
    return [text.upper() for text in texts]


def join(parts, n_texts):
    """Put answers at the places of their texts, and return the sizes of parts beside them."""
    proba, sizes = np.full((n_texts, 2), np.nan), []
    for rows, answers in parts:
        proba[rows] = answers
        sizes.append(len(rows))
    return proba, sizes


@pytest.mark.parametrize(
    ("transformers", "column"),
    [([], 0), ([upper], 1), ([upper, upper], 1), ([upper, lambda texts: texts], 1)],
)
@pytest.mark.parametrize("is_frozen", [False, True])
def test_a_pipeline_answers_for_the_texts_that_reach_its_last_step(transformers, column, is_frozen):
    steps = [(f"step{i}", FunctionTransformer(func)) for i, func in enumerate(transformers)]
    teacher = Pipeline([*steps, ("paid", make_paid())])
    answers = answers_in_parts(FrozenEstimator(teacher) if is_frozen else teacher)
    proba, sizes = join(answers(TEXTS), len(TEXTS))
    np.testing.assert_array_equal(proba, np.eye(2)[[column] * len(TEXTS)])
    assert sizes == [2, 2, 1]


def test_a_pipeline_that_drops_texts_is_refused():
    teacher = make_pipeline(FunctionTransformer(lambda texts: texts[1:]), make_paid())
    with pytest.raises(ValueError, match="texts after the pipeline"):
        next(answers_in_parts(teacher)(TEXTS))


def test_a_vote_asks_for_as_few_texts_as_its_slowest_member():
    texts, y = ["one two", "TEN", "four", "SIX"], ["lower", "upper"] * 2
    free = make_tfidf_baseline().fit(texts, y)
    members = [make_paid(3), make_pipeline(FunctionTransformer(), make_paid(2)), free]
    vote = VotingClassifier(
        [(str(i), FrozenEstimator(member)) for i, member in enumerate(members)], voting="soft"
    ).fit(texts, y)
    proba, sizes = join(answers_in_parts(vote)(TEXTS), len(TEXTS))
    np.testing.assert_allclose(proba, vote.predict_proba(TEXTS))
    assert sizes == [2, 2, 1]
    assert answers_in_parts(free) is None


class InParts(BaseEstimator):
    """A teacher that answers in parts and may be told to show progress."""

    def __init__(self, verbose=0):
        self.verbose = verbose

    def _predict_in_parts(self, texts):
        yield np.arange(len(texts)), np.ones((len(texts), 1))


def test_only_a_teacher_that_is_told_to_shows_progress():
    for teacher in (InParts(1), make_pipeline(FunctionTransformer(), InParts(1))):
        assert shows_progress(teacher)
        assert shows_progress(FrozenEstimator(teacher))
    assert not shows_progress(InParts())
    assert not shows_progress(make_paid())  # which has no such parameter
    assert not shows_progress(make_tfidf_baseline().set_params(logisticregression__verbose=1))

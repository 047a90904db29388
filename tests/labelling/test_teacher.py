"""A teacher without what it has learned."""

import numpy as np
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from skdistill import make_tfidf_baseline
from skdistill.labelling._teacher import unfitted

X = ["good", "bad", "good film", "bad film"]
Y = np.array(["pos", "neg", "pos", "neg"])


def test_unfitted_reaches_frozen_parts():
    fitted = make_tfidf_baseline().fit(X, Y)
    voting = VotingClassifier([("a", FrozenEstimator(fitted)), ("b", fitted)], voting="soft")
    bare = unfitted(voting)
    assert isinstance(bare.estimators[0][1], FrozenEstimator)
    for _, part in bare.estimators:
        assert not hasattr(part[-1], "coef_")
    assert not hasattr(unfitted(FrozenEstimator(fitted))[-1], "coef_")
    assert hasattr(fitted[-1], "coef_")
    assert unfitted(make_pipeline(fitted)).steps

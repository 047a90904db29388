"""What an error leaves of an estimator; Ctrl-C at many points is in tests/test_faults.py."""

import inspect

import pytest

from skdistill import DistilledMLPClassifier, TextAugmenter, TransformerTeacherClassifier
from skdistill._interruption import all_or_nothing


class Estimator:
    """Learns a value, unless that is an exception."""

    @all_or_nothing
    def fit(self, value, *, sample_weight=None):
        self.value_ = value
        if isinstance(value, BaseException):
            del self.weight_
            raise value
        self.weight_ = sample_weight
        return self


@pytest.mark.parametrize("error", [ValueError("wrong"), SystemExit(1), KeyboardInterrupt()])
def test_whatever_stops_a_fit_undoes_it(error):
    estimator = Estimator().fit(1, sample_weight=2)
    with pytest.raises(type(error)) as stopped:
        estimator.fit(error)
    assert stopped.value is error
    assert vars(estimator) == {"value_": 1, "weight_": 2}


def test_only_an_interruption_gets_a_note():
    with pytest.raises(AttributeError) as failure:
        Estimator().fit(ValueError())
    assert not hasattr(failure.value, "__notes__")
    interrupted = Estimator().fit(1)
    with pytest.raises(KeyboardInterrupt) as failure:
        interrupted.fit(KeyboardInterrupt())
    assert failure.value.__notes__ == [
        "Estimator.fit was interrupted: the estimator keeps what it had learned before."
    ]


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (DistilledMLPClassifier, ["X", "y", "X_unlabeled"]),
        (TransformerTeacherClassifier, ["X", "y", "sample_weight"]),
        (TextAugmenter, ["X", "y"]),
    ],
)
def test_a_guarded_fit_keeps_its_signature(kind, names):
    assert [*inspect.signature(kind().fit).parameters][: len(names)] == names

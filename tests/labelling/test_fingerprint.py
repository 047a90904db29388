"""What tells one teacher's probabilities from another's."""

import subprocess
import sys

import numpy as np
from sklearn.frozen import FrozenEstimator

from skdistill import make_tfidf_baseline
from skdistill.labelling._fingerprint import teacher_fingerprint

X = ["good", "bad", "good film", "bad film"]
Y = np.array(["pos", "neg", "pos", "neg"])


def test_fingerprints_are_the_same_in_another_process():
    code = (
        "import numpy as np; from sklearn.frozen import FrozenEstimator; "
        "from skdistill import make_tfidf_baseline as make; "
        "from skdistill.labelling._fingerprint import teacher_fingerprint as f; "
        f"X, y = {X!r}, np.array({Y.tolist()!r}); "
        "print(f(make(), X, y), f(FrozenEstimator(make().fit(X, y)), X, y))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    fitted = FrozenEstimator(make_tfidf_baseline().fit(X, Y))
    expected = [teacher_fingerprint(teacher, X, Y) for teacher in (make_tfidf_baseline(), fitted)]
    assert done.stdout.split() == expected


def test_fingerprint_of_a_frozen_teacher_is_what_it_learned():
    one = FrozenEstimator(make_tfidf_baseline().fit(X, Y))
    same = FrozenEstimator(make_tfidf_baseline().fit(X, Y))
    other = FrozenEstimator(make_tfidf_baseline().fit(X, Y[::-1]))
    assert teacher_fingerprint(one, X, Y) == teacher_fingerprint(same, X[:2], Y[:2])
    assert teacher_fingerprint(one, X, Y) != teacher_fingerprint(other, X, Y)

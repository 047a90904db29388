"""The placeholder for the teacher of a student that was loaded from a file."""

import pytest

from skdistill.labelling._missing_teacher import MissingTeacher


@pytest.mark.parametrize(
    ("name", "told"), [("Pipeline", r"its teacher \(Pipeline\)\."), (None, r"its teacher\.")]
)
def test_a_missing_teacher_says_how_to_go_on(name, told):
    missing = MissingTeacher(name)
    for call in (
        lambda: missing.fit(["a"], ["b"]),
        lambda: missing.predict_proba(["a"]),
        lambda: missing.word_vectors(["a"]),
    ):
        with pytest.raises(
            ValueError, match=f"{told}.*set teacher=None to train on the gold.*FrozenEstimator"
        ):
            call()

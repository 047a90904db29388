from collections import deque
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import make_topics
from datasets import Dataset
from skdistill import DistilledMLPClassifier, TextAugmenter, TextPool, make_tfidf_baseline
from skdistill.labelling._pool import check_unlabeled
from skdistill.text._streams import CheckedTexts, batches, is_on_disk


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr("skdistill.text._streams._BATCH", 7)


def write_folder(folder, texts, n_files=3):
    folder.mkdir()
    for number, part in enumerate(np.array_split(np.array(texts, dtype=object), n_files)):
        table = pa.table({"other": range(len(part)), "text": pa.array(part, pa.string())})
        pq.write_table(table, folder / f"part-{number}.parquet", row_group_size=10)
    return folder


class Lines(Sequence):
    """A sequence of one's own that counts how many texts it has given out at once."""

    def __init__(self, texts):
        self.texts = texts
        self.largest = 0

    def __len__(self):
        return len(self.texts)

    def __getitem__(self, rows):
        self.largest = max(self.largest, len(self.texts[rows]))
        return self.texts[rows]


@pytest.mark.parametrize("form", ["folder", "file", "datasets", "sequence"])
def test_a_student_learns_the_same_from_disk(form, topics, tmp_path, small_batches):
    texts, labels = topics
    X, y = texts[:60], labels[:60]
    pool = make_topics(101, random_state=1)[0]
    if form == "folder":
        source = TextPool.from_parquet(write_folder(tmp_path / "pool", pool))
    elif form == "file":
        pd.DataFrame({"post": pool}).to_parquet(tmp_path / "pool.parquet")
        source = TextPool.from_parquet(tmp_path / "pool.parquet", column="post")
    elif form == "datasets":
        source = TextPool(Dataset.from_dict({"text": pool})["text"])
    else:
        source = TextPool(Lines(pool))
    params = {"max_epochs": 2, "random_state": 0, "memory": tmp_path / "memory"}
    expected = DistilledMLPClassifier(make_tfidf_baseline(), **params)
    expected.fit(X, y, X_unlabeled=TextPool(pool))
    student = DistilledMLPClassifier(make_tfidf_baseline(), **params)
    student.fit(X, y, X_unlabeled=source)
    assert student.transfer_size_ == 161
    assert student.vocabulary_ == expected.vocabulary_
    np.testing.assert_array_equal(student.predict_proba(pool), expected.predict_proba(pool))
    if form == "sequence":
        assert source.texts.largest == 7


def test_an_augmenter_takes_texts_from_disk(topics, tmp_path):
    texts, labels = topics
    pool = TextPool.from_parquet(write_folder(tmp_path / "pool", texts[60:90]))
    student = DistilledMLPClassifier(
        make_tfidf_baseline(),
        augmenter=TextAugmenter(n_copies=1, random_state=0),
        max_epochs=1,
        random_state=0,
    )
    assert student.fit(texts[:60], labels[:60], X_unlabeled=pool).transfer_size_ > 90


def test_a_missing_text_is_named_by_its_row(tmp_path, small_batches):
    pool = TextPool.from_parquet(write_folder(tmp_path / "pool", ["a"] * 20 + [None] + ["b"] * 9))
    texts = check_unlabeled(pool, n_labeled=1)
    assert len(texts) == 30
    with pytest.raises(ValueError, match=r"X_unlabeled\[20\] is missing \(None\)"):
        list(texts)


def test_texts_that_change_are_an_error():
    class Shrinking(Lines):
        def __len__(self):
            return 3

    with pytest.raises(ValueError, match=r"pool yielded 2 texts, but its length is 3"):
        list(CheckedTexts(Shrinking(["a", "b"]), "pool"))


def test_only_sequences_of_an_unknown_kind_stay_on_disk():
    assert is_on_disk(Dataset.from_dict({"text": ["a"]})["text"])
    for known in (
        ["a"],
        ("a",),
        deque(["a"]),
        "a",
        np.array(["a"]),
        pd.Series(["a"]),
        pa.array(["a"]),
        {"a"},
    ):
        assert not is_on_disk(known)


def test_a_queue_is_a_pool(topics):
    texts, labels = topics
    pool = TextPool(deque(texts[60:90]))
    student = DistilledMLPClassifier(make_tfidf_baseline(), max_epochs=1, random_state=0)
    assert student.fit(texts[:60], labels[:60], X_unlabeled=pool).transfer_size_ == 90


def test_a_pool_on_disk_can_be_iterated_twice(tmp_path):
    pool = TextPool.from_parquet(write_folder(tmp_path / "pool", [*"abcde"]))
    assert [*pool] == [*pool] == [*"abcde"]


def test_batches_hold_all_texts(small_batches):
    assert [len(batch) for batch in batches(map(str, range(15)))] == [7, 7, 1]
    assert [*batches([])] == []

import re
import subprocess
import sys
import threading

import numpy as np
import pytest
from joblib import parallel_config

from skdistill import (
    CompiledClassifier,
    DistilledCNNClassifier,
    DistilledMLPClassifier,
    DistilledRNNClassifier,
    parity_report,
)

STUDENTS = [
    DistilledMLPClassifier(embedding_dim=50, max_epochs=5, random_state=0),
    DistilledMLPClassifier(
        ngram_range=(1, 2), hash_buckets=50, hidden_layer_sizes=(4,), max_epochs=5, random_state=0
    ),
    DistilledCNNClassifier(n_parameters=3000, max_epochs=5, random_state=0),
    DistilledRNNClassifier(hidden_dim=4, embedding_dim=50, max_epochs=3, random_state=0),
]


@pytest.fixture(scope="module", params=STUDENTS, ids=str)
def student(request, topics):
    return request.param.fit(*topics)


@pytest.fixture(scope="module")
def texts(topics):
    return [*topics[0], "", "unheard-of", "Ünicode 🙂 the", "a\0b"]


def test_file_and_object_predict_as_the_student_does(student, texts, tmp_path):
    student.save(tmp_path / "model.skd")
    served = CompiledClassifier.load(tmp_path / "model.skd")
    loaded = type(student).load(str(tmp_path / "model.skd"))
    for other in (served, student.compile(), loaded):
        np.testing.assert_array_equal(other.predict_proba(texts), student.predict_proba(texts))
        np.testing.assert_array_equal(other.predict(texts), student.predict(texts))
        np.testing.assert_array_equal(other.classes_, student.classes_)
        assert other.n_parameters_ == student.n_parameters_
    np.testing.assert_array_equal(
        served.decision_function(texts), student.compile().decision_function(texts)
    )


def test_a_loaded_student_is_a_whole_estimator(student, texts, tmp_path):
    student.save(tmp_path / "model.skd")
    loaded = type(student).load(tmp_path / "model.skd")
    assert loaded.get_params() == student.get_params()
    assert loaded.history_ == student.history_
    assert loaded.n_iter_ == student.n_iter_
    assert loaded.transfer_size_ == student.transfer_size_
    assert loaded.vocabulary_.keys() == student.vocabulary_.keys()
    assert sum(p.numel() for p in loaded.network_.parameters()) == student.n_parameters_
    kept = len(student.vocabulary_) // 2
    pruned = loaded.prune_vocabulary(kept)
    assert len(pruned.vocabulary_) == kept - 1
    pruned.save(tmp_path / "model.skd")
    np.testing.assert_array_equal(
        CompiledClassifier.load(tmp_path / "model.skd").predict_proba(texts),
        pruned.predict_proba(texts),
    )


def test_parameters_of_numpys_types_are_saved(topics, tmp_path):
    student = DistilledCNNClassifier(
        embedding_dim=np.int64(6),
        n_filters=np.int32(5),
        kernel_sizes=[np.int64(2), 3],
        dropout=np.float64(0.1),
        max_epochs=1,
        random_state=0,
    ).fit(*topics)
    student.save(tmp_path / "model.skd")
    loaded = DistilledCNNClassifier.load(tmp_path / "model.skd")
    np.testing.assert_array_equal(loaded.predict_proba(topics[0]), student.predict_proba(topics[0]))
    assert loaded.embedding_dim == 6
    assert loaded.kernel_sizes == (2, 3)
    assert loaded.dropout == 0.1


@pytest.mark.parametrize("precision", ["float16", "int8"])
def test_rounding_on_disk_is_the_rounding_of_compile(student, texts, precision, tmp_path):
    student.save(tmp_path / "exact.skd")
    student.save(tmp_path / "model.skd", precision=precision)
    served = CompiledClassifier.load(tmp_path / "model.skd")
    compiled = student.compile(precision)
    np.testing.assert_array_equal(served.predict_proba(texts), compiled.predict_proba(texts))
    assert (tmp_path / "model.skd").stat().st_size < (tmp_path / "exact.skd").stat().st_size
    # Saving what was rounded rounds to the same.
    served.save(tmp_path / "again.skd", precision=precision)
    again = CompiledClassifier.load(tmp_path / "again.skd").predict_proba(texts)
    np.testing.assert_allclose(again, served.predict_proba(texts), atol=2e-3)


def test_an_int8_file_cannot_be_pruned(student, tmp_path):
    student.save(tmp_path / "model.skd", precision="int8")
    loaded = type(student).load(tmp_path / "model.skd")
    with pytest.raises(ValueError, match=r"int8 file.*Prune it before you save"):
        loaded.prune_vocabulary(2)


def test_parity_report_compares_by_the_definitions(student, topics):
    X, y = topics
    report = parity_report(student, X, y, precision="int8")
    before, after = student.predict_proba(X), student.compile("int8").predict_proba(X)
    winners = student.classes_[after.argmax(axis=1)]
    assert report["n_texts"] == len(X)
    assert report["largest_difference"] == np.abs(before - after).max()
    assert report["agreement"] == np.mean(winners == student.predict(X))
    assert report["accuracy"] == student.score(X, y)
    assert report["rounded_accuracy"] == np.mean(winners == y)
    assert report["accuracy_change"] == report["rounded_accuracy"] - report["accuracy"]
    assert "accuracy" not in parity_report(student.compile(), X)
    with pytest.raises(ValueError, match="same number of rows"):
        parity_report(student, X, y[1:])
    with pytest.raises(ValueError, match="must be one of"):
        parity_report(student, X, precision="int3")


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_several_jobs_change_nothing(student, texts, backend, monkeypatch):
    monkeypatch.setattr("skdistill.serving._CHARACTERS_A_JOB", 500)
    monkeypatch.setattr("skdistill.runtime._kernel._LEAST_TEXTS", 5)
    served = student.compile()
    threads = set()
    kernel = served._network.kernel
    place, name = (kernel, "_predict") if kernel else (served._network, "_first_layer")
    method = getattr(place, name)

    def watched(*args):
        threads.add(threading.get_ident())
        return method(*args)

    monkeypatch.setattr(place, name, watched)
    with parallel_config(backend):
        for asked in ("predict_proba", "decision_function"):
            several = getattr(served, asked)(texts, n_jobs=2)
            np.testing.assert_allclose(several, getattr(student.compile(), asked)(texts), atol=1e-5)
        assert threads
        assert threading.get_ident() not in threads
        np.testing.assert_array_equal(served.predict(texts, n_jobs=2), student.predict(texts))
        student.set_params(n_jobs=2)
        np.testing.assert_array_equal(student.predict(texts), served.predict(texts))
        student.set_params(n_jobs=None)


def test_a_stream_gives_the_same_in_pieces(student, texts):
    pieces = list(student.compile().predict_proba_iter(iter(texts), chunk_size=10))
    assert {len(piece) for piece in pieces[:-1]} == {10}
    np.testing.assert_allclose(np.concatenate(pieces), student.predict_proba(texts), atol=1e-6)
    again = list(student.predict_proba_iter(iter(texts), chunk_size=10))
    np.testing.assert_array_equal(np.concatenate(again), np.concatenate(pieces))
    assert list(student.predict_proba_iter([])) == []


def test_a_stream_is_read_no_further_than_asked(student):
    read = []
    stream = student.predict_proba_iter(
        (read.append(n) or str(n) for n in range(100)), chunk_size=9
    )
    assert read == []
    next(stream)
    assert read == list(range(9))


def test_a_stream_names_the_row_that_is_no_text(student):
    stream = student.predict_proba_iter(["a", "b", "c", None], chunk_size=2)
    next(stream)
    with pytest.raises(ValueError, match=r"X\[3\] is missing"):
        next(stream)


@pytest.mark.parametrize("X", ["a text", b"bytes", 3, None])
def test_what_is_no_stream_is_refused_at_once(student, X):
    with pytest.raises((ValueError, TypeError), match="X"):
        student.predict_proba_iter(X)


@pytest.mark.parametrize("chunk_size", [0, -1, 2.5, None])
def test_chunk_size_is_checked_at_once(student, chunk_size):
    with pytest.raises(ValueError, match="chunk_size"):
        student.predict_proba_iter(["a"], chunk_size=chunk_size)


def test_verbose_shows_a_bar(student, texts, capsys):
    list(student.compile().predict_proba_iter(texts, verbose=1))
    assert f"{len(texts)}text" in capsys.readouterr().err
    list(student.compile().predict_proba_iter(texts))
    assert capsys.readouterr().err == ""


def test_an_error_closes_the_bar(student, capsys):
    stream = student.compile().predict_proba_iter(["a", None], chunk_size=1, verbose=1)
    next(stream)
    with pytest.raises(ValueError, match=r"X\[1\]"):
        next(stream)
    # A bar that was closed ends its line.
    assert capsys.readouterr().err.endswith("\n")


def test_serving_needs_numpy_and_scipy_alone(student, tmp_path):
    student.save(tmp_path / "model.skd")
    code = """if True:
        import sys
        # As if nothing else were installed.
        sys.modules.update(dict.fromkeys(sys.argv[2:]))
        from skdistill import CompiledClassifier
        served = CompiledClassifier.load(sys.argv[1])
        served.predict(["a text"])
        few = {name.partition(".")[0] for name in sys.modules}
        served.predict_proba(["a text", "another"] * 30)
        list(served.predict_proba_iter(iter(["a text"])))
        many = {name.partition(".")[0] for name in sys.modules}
        print(few & {"numpy", "scipy"}, len(many) > len(few))
    """
    others = (
        "accelerate datasets filelock joblib matplotlib pandas pyarrow safetensors skorch sklearn "
        "threadpoolctl torch tqdm transformers"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "model.skd", *others.split()],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.startswith("{'numpy'}")


def test_other_names_say_what_they_need(student, tmp_path):
    student.save(tmp_path / "model.skd")
    code = """if True:
        import sys
        sys.modules.update(dict.fromkeys(["joblib", "pandas", "sklearn"]))
        import skdistill
        served = skdistill.CompiledClassifier.load(sys.argv[1])
        for use in (
            lambda: skdistill.DistilledMLPClassifier,
            lambda: skdistill.compare,
            lambda: served.to_html(sys.argv[1] + ".html"),
        ):
            try:
                use()
            except ModuleNotFoundError as error:
                print(error.name, error)
    """
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "model.skd"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    names = ["skdistill.DistilledMLPClassifier", "skdistill.compare", "A model card"]
    for line, name in zip(lines, names, strict=True):
        module, _, rest = line.partition(" ")
        assert rest.startswith(f"{name} needs the package {module.partition('.')[0]}, which is n")
        assert "Run 'pip install skdistill'" in rest


@pytest.mark.parametrize(
    ("y", "shown"),
    [
        (["a", "b", "c"] * 4, r"CompiledClassifier\(mlp, 3 classes, [\d,]+ parameters, \w+\)"),
        (
            [[1, 0], [0, 1], [1, 1]] * 4,
            r"CompiledClassifier\(mlp, 2 labels, [\d,]+ parameters, \w+\)",
        ),
    ],
    ids=["classes", "labels"],
)
def test_a_compiled_student_shows_what_it_is(y, shown):
    student = DistilledMLPClassifier(max_epochs=1, embedding_dim=64).fit(
        ["soup", "bus", "x"] * 4, y
    )
    assert re.fullmatch(shown, repr(student.compile()))
    assert f"{student.n_parameters_:,} parameters" in repr(student.compile("int8"))

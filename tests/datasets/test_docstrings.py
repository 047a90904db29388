import sys
from collections import Counter

import numpy as np
import pytest

from skdistill import load_docstrings
from skdistill.datasets import _docstrings as docstrings

FIELDS = {
    "X_train", "y_train", "X_unlabeled", "X_val", "y_val", "X_test", "y_test", "classes", "DESCR",
}  # fmt: skip

MODULE = '''"""Say what this module is about.

Not in the first paragraph.
"""

class Kettle:
    """Boil water  for a
    cup of tea."""

    def pour(self):
        """Pour."""
        if True:
            async def drip():
                """Let one drop after another fall."""
        return lambda: """not a docstring but a string"""

try:
    import spoon
except ImportError:
    def stir():
        r"""Stir \\d times, clockwise if possible."""
'''


@pytest.fixture
def package(tmp_path):
    """Write a package from a dict of path to source; return its folder."""

    def write(files, name="kitchen"):
        for path, source in files.items():
            file = tmp_path / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(source, encoding="utf-8")
        return tmp_path / name

    return write


def test_docstrings_of_modules_classes_and_functions_in_order_of_line():
    assert [text.split("\n")[0] for text in docstrings._docstrings(MODULE.encode())] == [
        "Say what this module is about.",
        "Boil water  for a",
        "Pour.",
        "Let one drop after another fall.",
        r"Stir \d times, clockwise if possible.",
    ]


@pytest.mark.parametrize("source", [b"def broken(:", b"x = '\0'", b"# -*- coding: klingon -*-\n"])
def test_what_is_no_python_has_no_docstrings(source):
    assert docstrings._docstrings(source) == []


def test_invalid_escapes_of_others_do_not_warn():
    assert docstrings._docstrings(b'"""Match \\d of them."""') == [r"Match \d of them."]


def test_generated_files_are_left_out():
    source = '# This file was automatically generated from modular.py\n"""Do this and that."""'
    assert docstrings._docstrings(source.encode()) == []


def test_first_paragraph_ends_at_a_blank_line_and_has_single_spaces():
    text = "\n Stir  the\n\ttea.\n   \nThen drink it.\n\nAll."
    assert docstrings._first_paragraph(text) == "Stir the tea."


@pytest.mark.parametrize(("n_words", "usable"), [(3, False), (4, True), (40, True), (41, False)])
def test_usable_texts_have_4_to_40_words(n_words, usable):
    assert docstrings._has_usable_length(" ".join(["word"] * n_words)) is usable


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("core.py", True),
        ("contest/latest.py", True),
        ("tests/core.py", False),
        ("a/testing/core.py", False),
        ("externals/other/core.py", False),
        ("test_core.py", False),
        ("core_test.py", False),
        ("testing_utils.py", False),
        ("conftest.py", False),
    ],
)
def test_own_code_is_told_by_path(path, own):
    assert docstrings._is_own_code(docstrings.PurePath(path)) is own


def test_a_package_gives_distinct_texts_in_order_of_path(package):
    folder = package(
        {
            "b.py": '"""The second file of all."""\ndef f():\n    """Do this for all files."""',
            "a.py": '"""Do this for all files."""',
            "test_a.py": '"""Check this for all files."""',
            "c.py": MODULE,
        }
    )
    assert docstrings._read_package(folder) == (
        "Do this for all files.",
        "The second file of all.",
        "Say what this module is about.",
        "Boil water for a cup of tea.",
        "Let one drop after another fall.",
        r"Stir \d times, clockwise if possible.",
    )


def test_texts_of_several_libraries_are_dropped():
    texts = {"numpy": ["a", "both"], "scipy": ["both", "b"]}
    assert docstrings._label_docstrings(texts) == {"a": "numpy", "b": "scipy"}


def test_packages_are_found_without_importing_them(package, monkeypatch):
    folder = package({"__init__.py": "raise RuntimeError('imported')"}, name="skdistill_kitchen")
    monkeypatch.syspath_prepend(folder.parent)
    assert docstrings._package_folder("skdistill_kitchen") == folder
    assert "skdistill_kitchen" not in sys.modules
    assert docstrings._package_folder("skdistill_no_such_package") is None


def test_libraries_with_few_texts_are_left_out(package, monkeypatch):
    functions = "\n".join(f'def f{i}():\n    """Return {i} things now."""' for i in range(1000))
    folders = {
        "big": package({"a.py": functions}, name="big"),
        "small": package({"a.py": MODULE}, name="small"),
    }
    monkeypatch.setattr(
        docstrings, "_LIBRARIES", {"big": "Big", "small": "Small", "absent": "Absent"}
    )
    monkeypatch.setattr(docstrings, "_package_folder", folders.get)
    assert list(docstrings._library_docstrings()) == ["Big"]


@pytest.fixture
def small_corpus(monkeypatch):
    texts = {name: tuple(f"text {i} of {name}" for i in range(100)) for name in ("numpy", "scipy")}
    monkeypatch.setattr(docstrings, "_library_docstrings", lambda: texts)


@pytest.mark.usefixtures("small_corpus")
def test_random_state_decides_the_split():
    first, again = (load_docstrings(50, 50, random_state=3) for _ in range(2))
    other = load_docstrings(50, 50, random_state=4)
    assert first.X_train == again.X_train
    assert first.X_test == again.X_test
    np.testing.assert_array_equal(first.y_train, again.y_train)
    assert first.X_train != other.X_train


@pytest.mark.usefixtures("small_corpus")
@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((150, 51), "n_labeled=150 and n_test=51 require 201 texts, but .* have 200"),
        ((0, 10), "at least 1, got n_labeled=0"),
        ((10, -1), "n_test=-1"),
    ],
)
def test_impossible_sizes_are_refused(sizes, message):
    with pytest.raises(ValueError, match=message):
        load_docstrings(*sizes)


@pytest.mark.slow  # half a minute
def test_the_docstrings_of_this_machine():
    data = load_docstrings()
    assert set(data) == FIELDS
    assert (len(data.X_train), len(data.X_test)) == (3000, 4000)
    assert len(data.X_unlabeled) > 20_000
    texts = [*data.X_train, *data.X_unlabeled, *data.X_test]
    assert len(set(texts)) == len(texts)
    assert all(4 <= len(text.split()) <= 40 for text in texts)
    assert {"numpy", "scipy", "scikit-learn", "torch", "transformers"} <= set(data.classes)
    assert min(Counter(data.y_train.tolist()).values()) > 50
    assert "scikit-learn" in data.DESCR
    # Labels belong to their texts: those that name SciPy are mostly SciPy's own.
    rows = zip(data.X_train, data.y_train, strict=True)
    own = Counter(label for text, label in rows if "scipy" in text.lower())
    assert own.most_common(1)[0][0] == "scipy"

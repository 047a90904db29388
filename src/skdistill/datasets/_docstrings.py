"""A real corpus that needs no download: docstrings of the installed scientific libraries."""

import ast
import gc
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path, PurePath

import numpy as np
from sklearn.utils import Bunch, check_random_state

from skdistill.datasets._load import make_bunch

# Import name and label of each library.
_LIBRARIES = {
    "numpy": "numpy",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "torch": "torch",
    "transformers": "transformers",
    "pandas": "pandas",
    "sympy": "sympy",
    "networkx": "networkx",
    "huggingface_hub": "huggingface_hub",
}
_MIN_ROWS = 1000
_MIN_WORDS, _MAX_WORDS = 4, 40

# Folders of test code and of bundled third-party code.
_FOREIGN_FOLDERS = {"tests", "test", "testing", "_testing", "externals", "_vendor"}
_TEST_FILE = re.compile(r"test_.*|.*_test|testing.*|conftest")
# transformers generates many files from one, and marks them with this comment.
_GENERATED = b"automatically generated from"


def load_docstrings(
    n_labeled: int = 3000, n_test: int = 4000, random_state: int | np.random.RandomState | None = 0
) -> Bunch:
    """Load the docstrings of the installed scientific libraries, labelled by library.

    This real corpus needs no network. The texts are the first paragraphs of the docstrings of
    numpy, scipy, scikit-learn, torch, transformers, pandas, sympy, networkx and huggingface_hub.
    Libraries that are not installed, or that have fewer than 1,000 usable texts, are left out. The
    task is to predict the library of a text. The source files are parsed, never imported. This
    takes about 15 seconds, once per process.

    Texts have 4 to 40 words and single spaces. Each text occurs once: a text that several libraries
    share is dropped, so no text has two labels or is in two parts. Test code, bundled third-party
    code and generated code are left out.

    Parameters
    ----------
    n_labeled : int, default=3000
        Number of labelled texts for training.
    n_test : int, default=4000
        Number of labelled texts for testing. All other texts go to the unlabelled pool.
    random_state : int, RandomState instance or None, default=0
        Controls the random split into the three parts.

    Returns
    -------
    Bunch
        With these fields:

        - X_train : list of str, of length n_labeled
        - y_train : ndarray of shape (n_labeled,), dtype str
        - X_unlabeled : list of str, of length n_unlabeled; all remaining texts, about 30,000
        - X_val, y_val : None
        - X_test : list of str, of length n_test
        - y_test : ndarray of shape (n_test,), dtype str
        - classes : ndarray of shape (n_classes,), dtype str; the labels in `y_train`, sorted
        - DESCR : str; source, number of texts per library, and licences

    Raises
    ------
    ValueError
        If `n_labeled` or `n_test` is less than 1, or their sum exceeds the number of texts.

    See Also
    --------
    skdistill.load_text_dataset : Load your own data.

    Notes
    -----
    The texts depend on the versions of the libraries, so compare scores only on one machine.

    Examples
    --------
    >>> from skdistill import load_docstrings
    >>> data = load_docstrings(n_labeled=500, n_test=1000)  # doctest: +SKIP
    >>> len(data.X_train), len(data.X_test), len(data.X_unlabeled)  # doctest: +SKIP
    (500, 1000, 33457)
    """
    corpus = _label_docstrings(_library_docstrings())
    texts, labels = list(corpus), np.array(list(corpus.values()))
    _check_split_sizes(n_labeled, n_test, len(texts))
    order = check_random_state(random_state).permutation(len(texts))
    train, test, pool = np.split(order, [n_labeled, n_labeled + n_test])
    counts = ", ".join(f"{label} {n:,}" for label, n in Counter(corpus.values()).items())
    return make_bunch(
        train=([texts[row] for row in train], labels[train]),
        test=([texts[row] for row in test], labels[test]),
        unlabeled=[texts[row] for row in pool],
        descr=(
            "First paragraphs of the docstrings of the installed libraries, labelled by library."
            f"\nTexts: {counts}.\nLicence: each text has the licence of its library "
            "(BSD-3-Clause or Apache-2.0). The texts come from your installation; skdistill does "
            "not ship them."
        ),
    )


def _check_split_sizes(n_labeled: int, n_test: int, n_texts: int) -> None:
    if min(n_labeled, n_test) < 1:
        raise ValueError(
            f"n_labeled and n_test must be at least 1, got n_labeled={n_labeled} and "
            f"n_test={n_test}."
        )
    if n_labeled + n_test > n_texts:
        raise ValueError(
            f"n_labeled={n_labeled} and n_test={n_test} require {n_labeled + n_test} texts, but "
            f"the installed libraries have {n_texts}; request fewer or install more of "
            f"{', '.join(_LIBRARIES.values())}."
        )


def _library_docstrings() -> dict[str, tuple[str, ...]]:
    """Return the texts of each installed library that has enough of them, by label."""
    found = {
        label: _read_package(folder)
        for name, label in _LIBRARIES.items()
        if (folder := _package_folder(name)) is not None
    }
    return {label: texts for label, texts in found.items() if len(texts) >= _MIN_ROWS}


def _label_docstrings(library_texts: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Map each text that occurs in only one library to the label of that library."""
    n_libraries = Counter(text for texts in library_texts.values() for text in set(texts))
    return {
        text: label
        for label, texts in library_texts.items()
        for text in texts
        if n_libraries[text] == 1
    }


def _package_folder(name: str) -> Path | None:
    """Return the folder of a top-level package, or None, without importing the package."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


@lru_cache(maxsize=len(_LIBRARIES))
def _read_package(folder: Path) -> tuple[str, ...]:
    """Return the distinct usable docstring paragraphs of a package, by path and line."""
    files = sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).as_posix())
    texts: dict[str, None] = {}
    with _garbage_collection_paused():
        for path in files:
            if _is_own_code(path.relative_to(folder)):
                paragraphs = map(_first_paragraph, _docstrings(path.read_bytes()))
                texts.update(dict.fromkeys(filter(_has_usable_length, paragraphs)))
    return tuple(texts)


def _is_own_code(path: PurePath) -> bool:
    """Return whether a path is library code, not test code or bundled third-party code."""
    return _FOREIGN_FOLDERS.isdisjoint(path.parts[:-1]) and not _TEST_FILE.fullmatch(path.stem)


def _docstrings(source: bytes) -> list[str]:
    """Return the docstrings of a module, its classes and its functions, in line order."""
    if _GENERATED in source[:1000]:
        return []
    with warnings.catch_warnings():
        # Libraries may contain invalid escape sequences.
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            # Some .py files are templates, or broken on purpose.
            return []
    return [text for node in _definitions(tree) if (text := ast.get_docstring(node))]


def _definitions(
    tree: ast.Module,
) -> Iterator[ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield all nodes that can have a docstring, in line order.

    The walk skips expressions: they are most of the nodes and define nothing.
    """
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        blocks = ("body", "cases", "handlers", "orelse", "finalbody")
        stack.extend(reversed([child for block in blocks for child in getattr(node, block, ())]))


def _first_paragraph(docstring: str) -> str:
    """Return the text before the first blank line, on one line."""
    return " ".join(re.split(r"\n\s*\n", docstring.strip(), maxsplit=1)[0].split())


def _has_usable_length(text: str) -> bool:
    return _MIN_WORDS <= len(text.split()) <= _MAX_WORDS


@contextmanager
def _garbage_collection_paused() -> Iterator[None]:
    """Pause garbage collection, which makes parsing millions of syntax nodes 2.5 times faster."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()

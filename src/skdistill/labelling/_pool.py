"""Unlabelled texts that cross-validation does not split."""

from collections.abc import Iterable, Iterator, Sized
from os import PathLike
from typing import Any

import numpy as np

from skdistill._core.exceptions import warn
from skdistill._core.texts import check_texts
from skdistill.datasets._parquet import ParquetTexts
from skdistill.text._streams import CheckedTexts, Texts, is_on_disk


class TextPool:
    """Unlabelled texts that cross-validation does not split.

    In cross-validation, scikit-learn silently restricts every `fit` argument with as many rows as
    `X` to the rows of the fold [1]_. A list of unlabelled texts may happen to have that length. A
    pool has no length, so it is always passed whole.

    A pool may be larger than memory. Columns of a ``datasets.Dataset``, and other sequences except
    lists and tuples, are read in slices; parquet files are read in batches. All of them are read
    several times. An augmenter loads all texts into memory.

    Parameters
    ----------
    texts : iterable of str
        The texts. Each fit reads them again, so a generator is not allowed.

    See Also
    --------
    DistilledMLPClassifier : Accepts a pool as `X_unlabeled` in `fit`, and as the parameter
        `unlabeled`.

    References
    ----------
    .. [1] https://github.com/scikit-learn/scikit-learn/issues/30739

    Examples
    --------
    >>> from skdistill import TextPool
    >>> pool = TextPool(["an unlabelled text", "another"])
    >>> pool
    TextPool(list of 2 texts)
    >>> [text for text in pool]
    ['an unlabelled text', 'another']
    """

    def __init__(self, texts: Iterable[str]):
        if isinstance(texts, Iterator):
            raise TypeError(
                f"TextPool needs texts that can be read more than once, not a "
                f"{type(texts).__name__}; pass a list."
            )
        self.texts = texts

    @classmethod
    def from_parquet(cls, location: str | PathLike[str], *, column: str = "text") -> "TextPool":
        """Make a pool of the texts in parquet files, without loading them into memory.

        Parameters
        ----------
        location : str or path-like
            A file, or a folder of ``*.parquet`` files, which are read in alphabetical order.
        column : str, default="text"
            The column that contains the texts.

        Returns
        -------
        TextPool

        Raises
        ------
        FileNotFoundError
            If the file or folder does not exist, or the folder contains no parquet file.
        ValueError
            If a file does not have the column or is not a parquet file. Only `fit` detects missing
            texts.

        Examples
        --------
        >>> import tempfile
        >>> import pandas as pd
        >>> from skdistill import TextPool
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pd.DataFrame({"text": ["one", "two"]}).to_parquet(f"{folder}/part-0.parquet")
        ...     pd.DataFrame({"text": ["three"]}).to_parquet(f"{folder}/part-1.parquet")
        ...     list(TextPool.from_parquet(folder))
        ['one', 'two', 'three']
        """
        return cls(ParquetTexts(location, column))

    def __iter__(self) -> Iterator[str]:
        return iter(self.texts)

    def __repr__(self) -> str:
        kind = type(self.texts).__name__
        if isinstance(self.texts, MissingTexts):
            return "TextPool(missing texts)"
        if not isinstance(self.texts, Sized):
            return f"TextPool({kind})"
        n_texts = len(self.texts)
        return f"TextPool({kind} of {n_texts:,} text{'' if n_texts == 1 else 's'})"

    def __deepcopy__(self, memo: dict[int, Any]) -> "TextPool":
        # Nothing changes a pool, and scikit-learn's `clone` copies the parameters of estimators.
        return self


class MissingTexts:
    """Stands for the texts of a pool, which a fitted student's pickle does not contain."""

    def __iter__(self) -> Iterator[str]:
        raise ValueError(
            "A pickled student does not contain its unlabelled texts. Pass them with "
            "set_params(unlabeled=TextPool(...)), or set unlabeled=None to train without them."
        )


def without_texts(pool: TextPool | None) -> TextPool | None:
    """Return a pool without the texts it holds in memory."""
    if pool is None or is_on_disk(pool.texts):
        return pool
    return TextPool(MissingTexts())


class PartedPool(TextPool):
    """A pool that ends a transfer set made before; `parts` are those of the whole set."""

    def __init__(self, texts: Iterable[str], parts: np.ndarray | None) -> None:
        super().__init__(texts)
        self.parts = parts


def as_pool(X_unlabeled: Iterable[str] | None) -> TextPool | None:
    """Return a pool, which cross-validation does not split; check texts in memory."""
    if X_unlabeled is None or isinstance(X_unlabeled, TextPool):
        return X_unlabeled
    return TextPool(check_texts(X_unlabeled, name="X_unlabeled", allow_empty=True))


def check_unlabeled(
    X_unlabeled: Iterable[str] | None, *, n_labeled: int, name: str = "X_unlabeled"
) -> Texts:
    """Check unlabelled texts, and warn if cross-validation may have split them.

    That is possible if they are not in a pool and there are as many of them as labelled texts. A
    pool on disk is not loaded into memory. `name` is that of the texts in error messages.

    Raises
    ------
    ValueError
        If they are an iterator that is at its end, as from the second fit of a search on.
    """
    if X_unlabeled is None:
        return []
    if isinstance(X_unlabeled, TextPool):
        if is_on_disk(X_unlabeled.texts):
            return CheckedTexts(X_unlabeled.texts, name)
        return check_texts(X_unlabeled.texts, name=name, allow_empty=True)
    texts = check_texts(X_unlabeled, name=name, allow_empty=True)
    if not len(texts) and isinstance(X_unlabeled, Iterator):
        raise ValueError(
            f"{name} is an iterator without texts, or at its end: it can be read once, and a "
            "search or cross-validation fits more than once. Pass skdistill.TextPool(list(...))."
        )
    if len(texts) == n_labeled:
        warn(
            f"X_unlabeled has exactly as many rows as X ({n_labeled}), so cross-validation would "
            "silently split it. Pass skdistill.TextPool(X_unlabeled) to keep it whole.",
        )
    return texts

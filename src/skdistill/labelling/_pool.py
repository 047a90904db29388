"""Unlabelled texts, kept whole where cross-validation cuts what it is given."""

import warnings
from collections.abc import Iterable, Iterator
from os import PathLike

from skdistill._core.texts import check_texts
from skdistill.datasets._files import ParquetTexts
from skdistill.text._streams import CheckedTexts, Texts, is_on_disk


class TextPool:
    """Unlabelled texts that no cross-validation may cut.

    scikit-learn slices every `fit` argument that has as many rows as `X` to the fold at hand, and
    with it, silently, a list of unlabelled texts that happens to be of that length. A pool has no
    length, so it always arrives whole.

    A pool may be larger than memory: columns of a ``datasets.Dataset``, and other sequences that
    are neither list nor tuple, are read by slices of some thousands, and parquet files batch by
    batch. They are gone through several times; an augmenter takes all texts into memory.

    Parameters
    ----------
    texts : iterable of str
        The texts; read anew at each fit, so not a generator.

    See Also
    --------
    DistilledMLPClassifier : Takes one as `X_unlabeled` in `fit`.

    References
    ----------
    .. [1] https://github.com/scikit-learn/scikit-learn/issues/30739

    Examples
    --------
    >>> from skdistill import TextPool
    >>> pool = TextPool(["an unlabelled text", "another"])
    >>> [text for text in pool]
    ['an unlabelled text', 'another']
    """

    def __init__(self, texts: Iterable[str]):
        if isinstance(texts, Iterator):
            raise TypeError(
                "TextPool needs texts that can be read more than once; pass a list, not a "
                f"{type(texts).__name__}."
            )
        self.texts = texts

    @classmethod
    def from_parquet(cls, location: str | PathLike[str], *, column: str = "text") -> "TextPool":
        """Make a pool of the texts in parquet files, which stay on disk.

        Parameters
        ----------
        location : str or path-like
            A file, or a folder whose files ``*.parquet`` are read in the order of their names.
        column : str, default="text"
            The column of texts.

        Returns
        -------
        TextPool

        Raises
        ------
        FileNotFoundError
            If there is no such file or folder, or the folder holds no parquet file.
        ValueError
            If a file lacks the column, or is no parquet file. Missing texts are found in `fit`.

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
        return f"TextPool({type(self.texts).__name__})"


def as_pool(X_unlabeled: Iterable[str] | None) -> TextPool | None:
    """Return a pool, which no cross-validation cuts; texts in memory are checked."""
    if X_unlabeled is None or isinstance(X_unlabeled, TextPool):
        return X_unlabeled
    return TextPool(check_texts(X_unlabeled, name="X_unlabeled", allow_empty=True))


def check_unlabeled(X_unlabeled: Iterable[str] | None, *, n_labeled: int) -> Texts:
    """Check unlabelled texts, and warn where cross-validation may have cut them.

    They are warned of if there are as many as labelled ones, and no pool protects them. Texts of a
    pool on disk stay there.
    """
    if X_unlabeled is None:
        return []
    if isinstance(X_unlabeled, TextPool):
        if is_on_disk(X_unlabeled.texts):
            return CheckedTexts(X_unlabeled.texts, "X_unlabeled")
        return check_texts(X_unlabeled.texts, name="X_unlabeled", allow_empty=True)
    texts = check_texts(X_unlabeled, name="X_unlabeled", allow_empty=True)
    if len(texts) == n_labeled:
        warnings.warn(
            f"X_unlabeled has exactly as many rows as X ({n_labeled}). Inside cross-validation "
            "scikit-learn then cuts it to the fold without a word; pass "
            "skdistill.TextPool(X_unlabeled) to keep it whole, there and here.",
            stacklevel=2,
        )
    return texts

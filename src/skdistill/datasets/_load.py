"""Loaders for text data from files, folders and the Hugging Face Hub.

Every loader returns a :class:`sklearn.utils.Bunch` with the same fields: lists of texts and arrays
of labels.
"""

import os
import re
from collections.abc import Callable, Mapping
from math import ceil
from pathlib import Path
from typing import Any, overload

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import Bunch

from skdistill.datasets._columns import LabelColumns, read_labelled, read_unlabelled
from skdistill.datasets._files import FILES, file_source, split_name
from skdistill.datasets._hub import hub_splits
from skdistill.datasets._source import Options, Source

Columns = tuple[list[str], np.ndarray]
# Reads one part of a data set. It takes the label column, or None for no labels. The returned
# labels may be None even with a label column, when they are withheld.
_ReadPart = Callable[[str | None], tuple[list[str], np.ndarray | None]]

_VALIDATION_NAMES = ("validation", "val", "dev")
_POOL_PREFIXES = ("extra", "unlabeled", "unsupervised")
# The name of a data set on the Hub, or of a folder in `data_home`.
_NAME = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")


def load_emotion(data_home: str | os.PathLike[str] | None = None) -> Bunch:
    """Load Emotion: 16,000 / 2,000 / 2,000 English tweets labelled with six emotions.

    Parameters
    ----------
    data_home : str, path or None, default=None
        A folder that contains ``emotion/train.jsonl`` and so on; see :func:`load_text_dataset`.
        If None, the loader tries the folder in the environment variable ``SKDISTILL_DATA``, then
        the Hugging Face Hub (``dair-ai/emotion``).

    Returns
    -------
    Bunch
        It has the fields of :func:`load_text_dataset`. The classes are anger, fear, joy, love,
        sadness and surprise.

    Raises
    ------
    FileNotFoundError
        If you pass a `data_home` without this folder.
    OSError
        If there is no local folder and the Hub cannot be reached.

    See Also
    --------
    load_text_dataset : Load other data sets.
    skdistill.load_docstrings : Load a corpus that needs no network.

    Notes
    -----
    The data are for research and education only. Some test texts also occur in the training part,
    with a different label.

    References
    ----------
    .. [1] E. Saravia, H.-C. T. Liu, Y.-H. Huang, J. Wu, Y.-S. Chen. "CARER: Contextualized Affect
       Representations for Emotion Recognition". EMNLP 2018.

    Examples
    --------
    >>> import json, tempfile
    >>> from pathlib import Path
    >>> from skdistill import load_emotion
    >>> with tempfile.TemporaryDirectory() as home:
    ...     Path(home, "emotion").mkdir()
    ...     for part in ("train", "val", "test"):
    ...         row = json.dumps({"text": "i feel fine", "label": "joy"})
    ...         _ = Path(home, "emotion", f"{part}.jsonl").write_text(row)
    ...     data = load_emotion(home)
    >>> data.X_train, data.y_test
    (['i feel fine'], array(['joy'], dtype='<U3'))
    """
    return load_text_dataset("dair-ai/emotion", data_home=data_home)


def load_text_dataset(
    name_or_path: str | os.PathLike[str],
    *,
    data_home: str | os.PathLike[str] | None = None,
    text_column: str = "text",
    label_column: str = "label",
    sep: str | None = None,
    encoding: str | None = None,
    test_size: float = 0.2,
    random_state: int | np.random.RandomState | None = 0,
) -> Bunch:
    r"""Load a text classification data set from a file, a folder or the Hugging Face Hub.

    Parameters
    ----------
    name_or_path : str or path
        One of:

        - a file that :func:`~skdistill.datasets.read_texts` can read; its rows are split into
          train and test;
        - a folder with one such file per part: ``train``, optionally ``val`` (or ``dev``,
          ``validation``) and ``test``, and any number of unlabelled files with names that start
          with ``extra`` or ``unlabeled``;
        - the name of such a folder inside `data_home`;
        - the name of a data set on the Hub, such as ``"dair-ai/emotion"``. A folder in
          `data_home` with the last part of this name, here ``emotion``, takes precedence.
    data_home : str, path or None, default=None
        The folder of data sets. If None, the loader uses the environment variable
        ``SKDISTILL_DATA``, if it is set. If that folder lacks the data set, the loader uses the
        Hub.
    text_column, label_column : str, default="text" and "label"
        Names of the columns.
    sep, encoding : str or None, default=None
        Separator and encoding of files; see :func:`~skdistill.datasets.read_texts`.
    test_size : float, default=0.2
        Share of the rows to hold out as the test part, if the data set has no test part.
    random_state : int, RandomState instance or None, default=0
        Controls the random split, which is stratified by label.

    Returns
    -------
    Bunch
        With these fields:

        - X_train : list of str, of length n_train
        - y_train : ndarray of shape (n_train,), dtype str
        - X_unlabeled : list of str; empty if there are no unlabelled texts
        - X_val : list of str of length n_val, or None
        - y_val : ndarray of shape (n_val,), dtype str, or None; None if there is no validation
          part. If the data set has a validation part but no test part, the validation part
          becomes the test part.
        - X_test : list of str, of length n_test
        - y_test : ndarray of shape (n_test,), dtype str
        - classes : ndarray of shape (n_classes,), dtype str; the labels in `y_train`, sorted
        - DESCR : str; source and licence

        Labels are strings, whatever their type in the file.

    Raises
    ------
    FileNotFoundError
        If a file does not exist, if you pass a `data_home` without the folder, or if the folder has
        no training part.
    OSError
        If the data set is not in a local folder and cannot be loaded from the Hub.
    ValueError
        If a file lacks a column or a value, or a class has too few texts for the split.
    TypeError
        If a text is not a string.

    See Also
    --------
    load_emotion : Load the data set of the article.
    skdistill.load_docstrings : Load a corpus that needs no network.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdistill import load_text_dataset
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "reviews.csv")
    ...     rows = [f"review {i},{'bad' if i % 2 else 'good'}" for i in range(10)]
    ...     _ = path.write_text("\n".join(["text,label", *rows]))
    ...     data = load_text_dataset(path)
    >>> len(data.X_train), len(data.X_test), data.classes.tolist()
    (8, 2, ['bad', 'good'])
    """
    options = Options(sep, encoding)
    readers, source = _find_parts(name_or_path, data_home, text_column, options)
    parts = _read_parts(readers, source, label_column)
    return _complete(parts, source, test_size=test_size, random_state=random_state)


def _find_parts(
    name_or_path: str | os.PathLike[str],
    data_home: str | os.PathLike[str] | None,
    text_column: str,
    options: Options,
) -> tuple[Mapping[str, _ReadPart], str]:
    """Return a reader for each part of a data set, and a description of its source."""
    path, name = Path(name_or_path), str(name_or_path)
    # A file of an unknown type is refused as one, and not looked for on the Hub.
    if path.is_file() or (not path.is_dir() and split_name(path)[1] in FILES):
        return {"train": _reader(path, text_column, options)}, f"the file {path}"
    folder = path if path.is_dir() else _find_folder(path.name, data_home)
    if folder is None and not _NAME.fullmatch(name):
        raise FileNotFoundError(f"{path} does not exist; pass an existing file or folder.")
    if folder is not None:
        files = sorted(file for file in folder.iterdir() if split_name(file)[1] in FILES)
        if all(split_name(file)[0] != "train" for file in files):
            there = ", ".join(file.name for file in files) or "no text files"
            raise FileNotFoundError(
                f"the folder {folder} has no file such as train.jsonl; it contains {there}."
            )
        readers = {file.name: _reader(file, text_column, options) for file in files}
        return readers, f"the folder {folder}"
    return hub_splits(name, text_column), f"https://huggingface.co/datasets/{name}"


def _reader(path: Path, text_column: str, options: Options) -> _ReadPart:
    def read(label_column: str | None) -> tuple[list[str], np.ndarray | None]:
        return read_columns(file_source(path, options=options), text_column, label_column)

    return read


@overload
def read_texts(
    path: str | os.PathLike[str],
    *,
    text_column: str = ...,
    label_column: None,
    sep: str | None = ...,
    encoding: str | None = ...,
) -> tuple[list[str], None]: ...


@overload
def read_texts(
    path: str | os.PathLike[str],
    *,
    text_column: str = ...,
    label_column: str = ...,
    sep: str | None = ...,
    encoding: str | None = ...,
) -> tuple[list[str], np.ndarray]: ...


def read_texts(
    path: str | os.PathLike[str],
    *,
    text_column: str = "text",
    label_column: str | None = "label",
    sep: str | None = None,
    encoding: str | None = None,
) -> tuple[list[str], np.ndarray | None]:
    r"""Read texts and labels from a csv, tsv, jsonl, parquet or txt file.

    Parameters
    ----------
    path : str or path
        A ``.csv`` or ``.tsv`` file with a header, a ``.jsonl`` file with one object per line, a
        ``.parquet`` file, or a ``.txt`` file with one unlabelled text per line. All but parquet
        files may be compressed, as in ``.csv.gz``. Blank lines are skipped.
    text_column : str, default="text"
        Name of the text column; ignored for ``.txt`` files.
    label_column : str or None, default="label"
        Name of the label column; None reads no labels.
    sep : str or None, default=None
        The character that separates the fields of a csv or tsv file. None means a tab in tsv
        files; in csv files, the one among comma, semicolon and tab that splits the header into most
        columns.
    encoding : str or None, default=None
        The encoding of a text file, such as ``"cp1252"``. None means UTF-8, or the encoding that
        the byte-order mark names.

    Returns
    -------
    texts : list of str, of length n_texts
    labels : ndarray of shape (n_texts,), dtype str, or None
        The labels as strings; None if `label_column` is None.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ValueError
        If the file has another type or encoding, is broken, has no rows, or lacks a column or a
        value. In csv files, an empty field is a missing value. Errors name the line or, in parquet
        files, the row, counted from 1.
    TypeError
        If a text is not a string, for example a number.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skdistill.datasets import read_texts
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "reviews.csv")
    ...     _ = path.write_text("review,stars\nnever again,1\nloved it,5\n")
    ...     read_texts(path, text_column="review", label_column="stars")
    (['never again', 'loved it'], array(['1', '5'], dtype='<U1'))
    """
    source = file_source(path, options=Options(sep, encoding))
    return read_columns(source, text_column, label_column)


def read_columns(
    source: Source, text_column: str, label_column: str | None
) -> tuple[list[str], np.ndarray | None]:
    """Read texts, and one label per text unless `label_column` is None."""
    if label_column is None:
        return read_unlabelled(source, text_column), None
    labelled = read_labelled(source, text_column, LabelColumns((label_column,)))
    return labelled.texts, labelled.y


def _find_folder(name: str, data_home: str | os.PathLike[str] | None) -> Path | None:
    """Return the local folder of a data set, or None if the Hub must be tried."""
    home = data_home or os.environ.get("SKDISTILL_DATA")
    folder = Path(home, name) if home else None
    if folder is not None and folder.is_dir():
        return folder
    if data_home is not None:
        raise FileNotFoundError(
            f"data_home={str(data_home)!r} has no folder {name!r} with a file such as train.jsonl; "
            "omit data_home to load the data set from the Hugging Face Hub."
        )
    return None


def _read_parts(readers: Mapping[str, _ReadPart], source: str, label_column: str) -> dict[str, Any]:
    """Return the parts of a data set: labelled parts as columns, ``unlabeled`` as texts."""
    parts: dict[str, Any] = {"unlabeled": []}
    for name, read in readers.items():
        stem = split_name(Path(name))[0]
        part = "val" if stem in _VALIDATION_NAMES else stem
        if stem.startswith(_POOL_PREFIXES):
            parts["unlabeled"] += read(None)[0]
        elif part in ("train", "val", "test"):
            if part in parts:
                raise ValueError(f"{source} has two parts named {part!r}; remove one of them.")
            columns = read(label_column)
            if columns[1] is not None:
                parts[part] = columns
    if "train" not in parts:
        raise ValueError(
            f"{source} has no labelled split 'train'; its splits are {', '.join(readers)}."
        )
    return parts


def _complete(parts: dict[str, Any], source: str, *, test_size: float, random_state: Any) -> Bunch:
    """Add a test part if there is none: the validation part, or else a share of train."""
    train, val, test = parts["train"], parts.get("val"), parts.get("test")
    note = ""
    if test is None and val is not None:
        test, val = val, None
        note = " There is no test part, so the validation part is used instead."
    elif test is None:
        train, test = split_labelled(train, source, test_size=test_size, random_state=random_state)
        note = f" There is no test part, so a stratified share of {test_size:g} was held out."
    return make_bunch(
        train=train,
        val=val,
        test=test,
        unlabeled=parts.get("unlabeled", []),
        descr=f"Texts from {source}.{note}\nLicence: see the source.",
    )


def split_labelled(
    columns: Columns, source: str, *, test_size: float, random_state: Any
) -> tuple[Columns, Columns]:
    """Split labelled texts, stratified by label; `source` names the data in error messages.

    Raises
    ------
    ValueError
        If a class has too few texts, or one of the parts would have fewer rows than classes.
    """
    X, y = columns
    classes, counts = np.unique(y, return_counts=True)
    if counts.min() < 2:
        raise ValueError(
            f"{source} has only one text with the label {str(classes[counts.argmin()])!r}, which "
            "cannot be in both train and test; add texts with this label or drop it."
        )
    n_test = ceil(test_size * len(y))
    for n_rows, verb, size in (
        (n_test, "holds out", "larger"),
        (len(y) - n_test, "leaves for training", "smaller"),
    ):
        if 0 < test_size < 1 and n_rows < len(classes):
            raise ValueError(
                f"{source} has {len(classes)} classes, but a share of {test_size:g} {verb} only "
                f"{n_rows} of its {len(y):,} texts; hold out a {size} share."
            )
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=test_size, random_state=random_state, stratify=y
    )
    missing = np.setdiff1d(y_test, y_train)
    if len(missing):
        raise ValueError(
            f"{source} has too few texts with the label {str(missing[0])!r}: none is left for "
            f"training when a share of {test_size:g} is held out. Add texts with this label, drop "
            "it, or hold out a smaller share."
        )
    return (X_train, y_train), (X_test, y_test)


def make_bunch(
    *,
    train: Columns,
    test: Columns,
    unlabeled: list[str],
    descr: str,
    val: Columns | None = None,
) -> Bunch:
    """Return the parts of a data set as the Bunch that all loaders return."""
    X_val, y_val = val if val is not None else (None, None)
    return Bunch(
        X_train=train[0],
        y_train=train[1],
        X_unlabeled=unlabeled,
        X_val=X_val,
        y_val=y_val,
        X_test=test[0],
        y_test=test[1],
        classes=np.unique(train[1]),
        DESCR=descr,
    )

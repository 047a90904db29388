"""Text data from files, folders and the Hugging Face Hub.

Every loader returns the same :class:`sklearn.utils.Bunch` of lists of texts and arrays of labels.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, overload

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.utils import Bunch

from skdistill._core.multilabel import read_numbers
from skdistill._core.texts import check_texts
from skdistill.datasets._files import FILES, Source, file_source, label_array, read_whole
from skdistill.datasets._hub import hub_splits

Columns = tuple[list[str], np.ndarray]
# Reads a part of a data set, with the column of labels or, for None, without labels. The labels
# of a labelled part may be withheld, and are None then, too.
_ReadPart = Callable[[str | None], tuple[list[str], np.ndarray | None]]

_VALIDATION_NAMES = ("validation", "val", "dev")
_POOL_PREFIXES = ("extra", "unlabeled", "unsupervised")


def load_emotion(data_home: str | os.PathLike[str] | None = None) -> Bunch:
    """Load Emotion: 16,000 / 2,000 / 2,000 English tweets of six emotions.

    Parameters
    ----------
    data_home : str, path or None, default=None
        A folder that holds ``emotion/train.jsonl`` and so on; see :func:`load_text_dataset`.
        Without it the folder named by the environment variable ``SKDISTILL_DATA`` is looked at,
        then the Hugging Face Hub (``dair-ai/emotion``).

    Returns
    -------
    Bunch
        With the fields of :func:`load_text_dataset`; the classes are anger, fear, joy, love,
        sadness and surprise.

    Raises
    ------
    FileNotFoundError
        If `data_home` is given and has no such folder.
    OSError
        If there is no such folder and the Hub cannot be reached.

    See Also
    --------
    load_text_dataset : Other data sets.
    skdistill.load_docstrings : A corpus that needs no network.

    Notes
    -----
    The data are for research and education only. Some test texts also occur in the training
    part with another label.

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
    test_size: float = 0.2,
    random_state: int | np.random.RandomState | None = 0,
) -> Bunch:
    r"""Load a text classification data set from a file, a folder or the Hugging Face Hub.

    Parameters
    ----------
    name_or_path : str or path
        One of:

        - a file of :func:`~skdistill.datasets.read_texts`, whose rows are split into train and
          test;
        - a folder with one such file a part: ``train``, perhaps ``val`` (or ``dev``,
          ``validation``), ``test``, and any number of unlabelled ones, whose names start with
          ``extra`` or ``unlabeled``;
        - the name of such a folder inside `data_home`;
        - the name of a data set on the Hub, such as ``"dair-ai/emotion"``. A folder in
          `data_home` with the last part of this name, here ``emotion``, is taken before it.
    data_home : str, path or None, default=None
        The folder of data sets. None takes the environment variable ``SKDISTILL_DATA``, if set,
        and goes on to the Hub where that folder lacks the data set.
    text_column, label_column : str, default="text" and "label"
        Names of the columns.
    test_size : float, default=0.2
        Share of the rows that become the test part, where the data has no part of its own.
    random_state : int, RandomState instance or None, default=0
        Draws that test part, stratified by label.

    Returns
    -------
    Bunch
        With these fields:

        - X_train : list of str, of length n_train
        - y_train : ndarray of shape (n_train,), dtype str
        - X_unlabeled : list of str; empty if there are no unlabelled texts
        - X_val : list of str of length n_val, or None
        - y_val : ndarray of shape (n_val,), dtype str, or None; None if there is no validation
          part. The only one of a validation and a test part is the test part.
        - X_test : list of str, of length n_test
        - y_test : ndarray of shape (n_test,), dtype str
        - classes : ndarray of shape (n_classes,), dtype str; the labels in `y_train`, sorted
        - DESCR : str; source and what is known of the licence

        Labels are text, whatever their type in the file.

    Raises
    ------
    FileNotFoundError
        If a file is not there, `data_home` is given and lacks the folder, or the folder has no
        training part.
    OSError
        If the data set is in no folder and the Hub cannot be reached or does not have it.
    ValueError
        If a file has not the columns, misses a value, or a class is too rare to be split.
    TypeError
        If a text is no text.

    See Also
    --------
    load_emotion : The data set of the article.
    skdistill.load_docstrings : A corpus that needs no network.

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
    readers, source = _find_parts(name_or_path, data_home, text_column)
    parts = _read_parts(readers, source, label_column)
    return _complete(parts, source, test_size=test_size, random_state=random_state)


def _find_parts(
    name_or_path: str | os.PathLike[str], data_home: str | os.PathLike[str] | None, text_column: str
) -> tuple[Mapping[str, _ReadPart], str]:
    """Find a data set: what reads each of its parts, and where they are from."""
    path = Path(name_or_path)
    if not path.is_dir() and path.suffix.lower() in FILES:
        return {"train": _reader(path, text_column)}, f"the file {path}"
    folder = path if path.is_dir() else _find_folder(path.name, data_home)
    if folder is not None:
        files = sorted(file for file in folder.iterdir() if file.suffix.lower() in FILES)
        if all(file.stem != "train" for file in files):
            there = ", ".join(file.name for file in files) or "no file of texts"
            raise FileNotFoundError(
                f"the folder {folder} has no train.jsonl or the like, but {there}."
            )
        return {file.name: _reader(file, text_column) for file in files}, f"the folder {folder}"
    name = str(name_or_path)
    return hub_splits(name, text_column), f"https://huggingface.co/datasets/{name}"


def _reader(path: Path, text_column: str) -> _ReadPart:
    return lambda label_column: read_columns(file_source(path), text_column, label_column)


@overload
def read_texts(
    path: str | os.PathLike[str], *, text_column: str = ..., label_column: None
) -> tuple[list[str], None]: ...


@overload
def read_texts(
    path: str | os.PathLike[str], *, text_column: str = ..., label_column: str = ...
) -> tuple[list[str], np.ndarray]: ...


def read_texts(
    path: str | os.PathLike[str], *, text_column: str = "text", label_column: str | None = "label"
) -> tuple[list[str], np.ndarray | None]:
    r"""Read texts, and their labels, from a csv, jsonl, parquet or txt file.

    Parameters
    ----------
    path : str or path
        ``.csv`` (with a header), ``.jsonl`` (one object a line), ``.parquet``, or ``.txt``: one
        unlabelled text a line, blank lines left out. Text files are in UTF-8.
    text_column : str, default="text"
        Name of the column of texts. It has no meaning for ``.txt``.
    label_column : str or None, default="label"
        Name of the column of labels; None reads no labels.

    Returns
    -------
    texts : list of str, of length n_texts
    labels : ndarray of shape (n_texts,), dtype str, or None
        The labels as text; None if `label_column` is None.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is of another kind or broken, has no rows, lacks a column, or misses a value.
        In csv an empty field is missing. Rows count from 0, without the header.
    TypeError
        If a text is no text, such as a number.

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
    return read_columns(file_source(path), text_column, label_column)


def read_columns(
    source: Source, text_column: str, label_column: str | None, *, n_labels: int | None = None
) -> tuple[list[str], Any]:
    """Read texts and labels; as ones and zeros of `n_labels` columns if a text may have several.

    Their numbers are in the column of labels then, with blanks between them, as ``skdistill
    predict`` writes them; an empty field is a text without labels.
    """
    if source.kind == ".txt" and label_column is not None:
        raise ValueError(f"{source.name}: a .txt file has no labels; use csv, jsonl or parquet.")
    wanted = [text_column] if label_column is None else [text_column, label_column]
    values = read_whole(source, wanted)
    if source.kind == ".csv":  # where nothing else can say that a value is missing
        values = {name: [value or None for value in column] for name, column in values.items()}
    texts = check_texts(values[text_column], name=f"{source.name}: {text_column}")
    if label_column is None:
        return texts, None
    labels, name = values[label_column], f"{source.name}: {label_column}"
    if n_labels is None:
        return texts, label_array(labels, name)
    given = ("" if label is None else label for label in labels)
    return texts, read_numbers(given, n_labels=n_labels, name=name)


def _find_folder(name: str, data_home: str | os.PathLike[str] | None) -> Path | None:
    """Look for a data set in the folder of data sets; None if it is for the Hub to have it."""
    home = data_home or os.environ.get("SKDISTILL_DATA")
    folder = Path(home, name) if home else None
    if folder is not None and folder.is_dir():
        return folder
    if data_home is not None:
        raise FileNotFoundError(
            f"data_home={str(data_home)!r} has no folder {name!r} (with train.jsonl or the like "
            "in it); leave data_home out to load the data set from the Hugging Face Hub."
        )
    return None


def _read_parts(readers: Mapping[str, _ReadPart], source: str, label_column: str) -> dict[str, Any]:
    """Read the parts of a data set: labelled ones as columns, ``unlabeled`` as texts."""
    parts: dict[str, Any] = {"unlabeled": []}
    for name, read in readers.items():
        stem = Path(name).stem
        part = "val" if stem in _VALIDATION_NAMES else stem
        if stem.startswith(_POOL_PREFIXES):
            parts["unlabeled"] += read(None)[0]
        elif part in ("train", "val", "test"):
            if part in parts:
                raise ValueError(f"{source} has two parts {part!r}.")
            columns = read(label_column)
            if columns[1] is not None:
                parts[part] = columns
    if "train" not in parts:
        raise ValueError(f"{source} has no labelled split 'train', but {', '.join(readers)}.")
    return parts


def _complete(parts: dict[str, Any], source: str, *, test_size: float, random_state: Any) -> Bunch:
    """Make sure of a test part: its own, else the validation part, else a share of train."""
    train, val, test = parts["train"], parts.get("val"), parts.get("test")
    note = ""
    if test is None and val is not None:
        test, val = val, None
        note = " There is no test part: the validation part takes its place."
    elif test is None:
        train, test = split_labelled(train, source, test_size=test_size, random_state=random_state)
        note = f" There is no test part: a stratified share of {test_size:g} of the rows is it."
    return make_bunch(
        train=train,
        val=val,
        test=test,
        unlabeled=parts.get("unlabeled", []),
        descr=f"Texts from {source}.{note}\nLicence: that of the source; ask there.",
    )


def split_labelled(
    columns: Columns, source: str, *, test_size: float, random_state: Any
) -> tuple[Columns, Columns]:
    """Split labelled texts, stratified by label; messages call where they are from `source`.

    Raises
    ------
    ValueError
        If a class is too rare to be split, or the second part has fewer rows than classes.
    """
    X, y = columns
    classes, counts = np.unique(y, return_counts=True)
    if counts.min() < 2:
        raise ValueError(
            f"{source} has one text only of the label {str(classes[counts.argmin()])!r}, which "
            "cannot be in train and in test; add texts of this label or drop it."
        )
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=test_size, random_state=random_state, stratify=y
    )
    missing = np.setdiff1d(y_test, y_train)
    if len(missing):
        raise ValueError(
            f"{source} has so few texts of the label {str(missing[0])!r} that none is left to "
            f"train on if a share of {test_size:g} is held out; add texts of this label, drop it, "
            "or hold out fewer."
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
    """Put the parts of a data set into the fields that all loaders return."""
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

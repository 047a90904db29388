"""Text data from files, folders and the Hugging Face Hub.

Every loader returns the same :class:`sklearn.utils.Bunch` of lists of texts and arrays of labels.
"""

import os
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path, PurePath
from typing import Any, BinaryIO, overload

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split
from sklearn.utils import Bunch

from skdistill._core.multilabel import read_numbers
from skdistill._core.texts import check_texts
from skdistill._core.utf8 import naming_lines

Columns = tuple[list[str], np.ndarray]
_ReadLabels = Callable[[pd.Series, str], np.ndarray]

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
    parts, source = _read_parts(
        name_or_path, data_home, text_column=text_column, label_column=label_column
    )
    return _complete(parts, source, test_size=test_size, random_state=random_state)


def _read_parts(
    name_or_path: str | os.PathLike[str], data_home: str | os.PathLike[str] | None, **columns: str
) -> tuple[dict[str, Any], str]:
    """Find a data set and read its parts; also say where they are from."""
    path = Path(name_or_path)
    if path.is_dir():
        return _read_folder(path, **columns), f"the folder {path}"
    if path.suffix.lower() in _READERS:
        return {"train": read_texts(path, **columns)}, f"the file {path}"
    folder = _find_folder(path.name, data_home)
    if folder is not None:
        return _read_folder(folder, **columns), f"the folder {folder}"
    name = str(name_or_path)
    return _read_hub(name, **columns), f"https://huggingface.co/datasets/{name}"


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
    return _read_file(path, text_column, label_column, _labels)


def read_indicators(
    path: str | os.PathLike[str], n_labels: int, *, text_column: str, label_column: str
) -> Columns:
    """Read texts of which each may have several labels, or none.

    Parameters
    ----------
    path : str or path
        A csv, jsonl or parquet file; see `read_texts`.
    n_labels : int
    text_column : str
    label_column : str
        Of the labels' numbers with blanks between them, as ``skdistill predict`` writes them.

    Returns
    -------
    texts : list of str, of length n_texts
    labels : ndarray of shape (n_texts, n_labels), dtype int64
        Ones and zeros.

    Raises
    ------
    OSError, ValueError, TypeError
        As `read_texts` does, but a text without labels is none.
    """
    return _read_file(path, text_column, label_column, partial(_indicators, n_labels=n_labels))


def _read_file(
    path: str | os.PathLike[str],
    text_column: str,
    label_column: str | None,
    read_labels: _ReadLabels,
) -> tuple[list[str], Any]:
    path = Path(path)
    if path.suffix.lower() not in _READERS:
        raise ValueError(
            f"{path}: files that end in {path.suffix!r} are not read; use one of "
            f"{', '.join(_READERS)}."
        )
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}.")
    if path.suffix.lower() == ".txt":
        if label_column is not None:
            raise ValueError(f"{path}: a .txt file has no labels; use csv, jsonl or parquet.")
        text_column = "text"
    return _read_columns(
        lambda: path.open("rb"), path.suffix, str(path), text_column, label_column, read_labels
    )


@overload
def read_text_stream(
    stream: BinaryIO, kind: str, *, text_column: str = ..., label_column: None
) -> tuple[list[str], None]: ...


@overload
def read_text_stream(
    stream: BinaryIO,
    kind: str,
    *,
    text_column: str = ...,
    label_column: str = ...,
    n_labels: int | None = ...,
) -> tuple[list[str], np.ndarray]: ...


def read_text_stream(
    stream: BinaryIO,
    kind: str,
    *,
    text_column: str = "text",
    label_column: str | None = "label",
    n_labels: int | None = None,
) -> tuple[list[str], np.ndarray | None]:
    r"""Read texts, and their labels, from standard input or another stream, to its end.

    Parameters
    ----------
    stream : file, open for reading bytes
    kind : {"csv", "jsonl", "parquet"}
        What the stream holds; see `read_texts`.
    text_column : str, default="text"
        Name of the column of texts.
    label_column : str or None, default="label"
        Name of the column of labels; None reads no labels.
    n_labels : int or None, default=None
        Of how many labels a text may have several, if it may; see `read_indicators`.

    Returns
    -------
    texts : list of str, of length n_texts
    labels : ndarray of shape (n_texts,), dtype str, or (n_texts, n_labels), dtype int64, or None

    Raises
    ------
    ValueError, TypeError
        As `read_texts` does.

    Examples
    --------
    >>> from io import BytesIO
    >>> from skdistill.datasets._load import read_text_stream
    >>> read_text_stream(BytesIO(b"text,label\nnever again,bad\n"), "csv")
    (['never again'], array(['bad'], dtype='<U3'))
    """
    reopen = partial(BytesIO, stream.read())
    read_labels = _labels if n_labels is None else partial(_indicators, n_labels=n_labels)
    return _read_columns(
        reopen, f".{kind}", "standard input", text_column, label_column, read_labels
    )


def _read_columns(
    reopen: Callable[[], BinaryIO],
    suffix: str,
    name: str,
    text_column: str,
    label_column: str | None,
    read_labels: _ReadLabels,
) -> tuple[list[str], Any]:
    try:
        with naming_lines(name, reopen), reopen() as file:
            table = _READERS[suffix.lower()](file)
    except ValueError as error:
        raise ValueError(f"{name} is no readable {suffix} file: {error}") from error
    if not len(table):
        raise ValueError(f"{name} has no rows.")
    texts = check_texts(_column(table, text_column, name), name=f"{name}: {text_column}")
    if label_column is None:
        return texts, None
    return texts, read_labels(_column(table, label_column, name), f"{name}: {label_column}")


def _read_csv(file: BinaryIO) -> pd.DataFrame:
    # "NA" and "null" are words of a text, not missing values.
    return pd.read_csv(file, dtype=str, keep_default_na=False, na_values=[""])


def _read_jsonl(file: BinaryIO) -> pd.DataFrame:
    return pd.read_json(file, lines=True, dtype=False, encoding="utf-8-sig")


def _read_lines(file: BinaryIO) -> pd.DataFrame:
    lines = file.read().decode("utf-8-sig").split("\n")
    return pd.DataFrame({"text": [line.strip() for line in lines if line.strip()]}, dtype=object)


_READERS: dict[str, Callable[[BinaryIO], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".parquet": pd.read_parquet,
    ".txt": _read_lines,
}


def _column(table: pd.DataFrame, name: str, source: str) -> pd.Series:
    if name not in table.columns:
        raise ValueError(
            f"{source} has no column {name!r}; its columns are "
            f"{', '.join(map(str, table.columns))}."
        )
    return table[name]


def _labels(column: pd.Series, name: str) -> np.ndarray:
    missing = column.isna().to_numpy()
    if missing.any():
        raise ValueError(
            f"{name}[{missing.argmax()}] is missing; drop such rows, or move them to a file of "
            "unlabelled texts."
        )
    return np.array([str(label) for label in column])


def _indicators(column: pd.Series, name: str, n_labels: int) -> np.ndarray:
    given = column.astype(object).where(column.notna(), "")
    return read_numbers(given, n_labels=n_labels, name=name)


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


def _read_folder(folder: Path, *, text_column: str, label_column: str) -> dict[str, Any]:
    """Read the parts of a data set: labelled ones as columns, ``unlabeled`` as texts."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _READERS)
    parts: dict[str, Any] = {"unlabeled": []}
    for path in files:
        if path.stem.startswith(_POOL_PREFIXES):
            texts, _ = read_texts(path, text_column=text_column, label_column=None)
            parts["unlabeled"] += texts
        elif (part := _part_name(path.stem)) is not None:
            if part in parts:
                raise ValueError(f"the folder {folder} has two files for the part {part!r}.")
            parts[part] = read_texts(path, text_column=text_column, label_column=label_column)
    if "train" not in parts:
        there = ", ".join(path.name for path in files) or "no file of texts"
        raise FileNotFoundError(f"the folder {folder} has no train.jsonl or the like, but {there}.")
    return parts


def _read_hub(name: str, *, text_column: str, label_column: str) -> dict[str, Any]:
    """Read the splits of a data set on the Hub, in the form of `_read_folder`."""
    import datasets

    try:
        splits = datasets.load_dataset(name)
    except (OSError, datasets.exceptions.DatasetsError) as error:
        local = PurePath(name).name
        home = os.environ.get("SKDISTILL_DATA")
        looked = f"the folder {Path(home, local)} (SKDISTILL_DATA)" if home else "no local folder"
        raise OSError(
            f"The data set {name!r} was not found: looked for in {looked} and on the Hugging Face "
            f"Hub, which answered: {error}\nEither set SKDISTILL_DATA (or data_home) to a folder "
            f"that holds {local}/train.jsonl and {local}/test.jsonl, or go online (and unset "
            "HF_HUB_OFFLINE), once: later runs use the Hub's local cache."
        ) from error
    parts: dict[str, Any] = {"unlabeled": []}
    for split, rows in splits.items():
        where = f"{name} {split}"
        if split.startswith(_POOL_PREFIXES):
            parts["unlabeled"] += _hub_texts(rows, text_column, where)
        elif (part := _part_name(split)) is not None:
            labels = _hub_labels(rows, label_column, where)
            # The Hub's test parts may come with all labels withheld.
            if any(label is not None for label in labels):
                column = pd.Series(labels, dtype=object)
                parts[part] = (
                    _hub_texts(rows, text_column, where),
                    _labels(column, f"{where}: {label_column}"),
                )
    if "train" not in parts:
        raise ValueError(
            f"the data set {name!r} has no labelled split 'train', but {', '.join(splits)}."
        )
    return parts


def _hub_texts(rows: Any, column: str, where: str) -> list[str]:
    return check_texts(_hub_column(rows, column, where), name=f"{where}: {column}")


def _hub_labels(rows: Any, column: str, where: str) -> list[Any]:
    """Return labels, by name where numbers are stored that have names; None for withheld ones."""
    values = _hub_column(rows, column, where)
    feature = rows.features[column]
    if not hasattr(feature, "int2str"):
        return values
    return [None if value in (None, -1) else feature.int2str(value) for value in values]


def _hub_column(rows: Any, column: str, where: str) -> list[Any]:
    if column not in rows.column_names:
        raise ValueError(
            f"{where} has no column {column!r}; its columns are {', '.join(rows.column_names)}."
        )
    return list(rows[column])


def _part_name(name: str) -> str | None:
    """Return which part a file or split is for, None if for none."""
    if name in _VALIDATION_NAMES:
        return "val"
    return name if name in ("train", "test") else None


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
    """Split labelled texts, stratified by label.

    Parameters
    ----------
    columns : tuple of a list of str and an ndarray of labels
    source : str
        How messages call where they are from.
    test_size : float
        Share of the rows that become the second part.
    random_state : int, RandomState instance or None

    Returns
    -------
    train, test : tuples like `columns`

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
    """Put the parts of a data set into the fields that all loaders return.

    Parameters
    ----------
    train, test : tuple of a list of str and an ndarray of labels
    unlabeled : list of str
    descr : str
        Source and licence.
    val : tuple like `train`, or None, default=None

    Returns
    -------
    Bunch
        See `load_text_dataset`.
    """
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

"""Loader for data sets on the Hugging Face Hub."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from skdistill._core.texts import check_texts
from skdistill.datasets._values import label_array


def hub_splits(
    name: str, text_column: str
) -> dict[str, Callable[[str | None], tuple[list[str], np.ndarray | None]]]:
    """Return a reader for each split; a reader takes the label column, or None for no labels."""
    import datasets

    try:
        splits = datasets.load_dataset(name)
    except (OSError, datasets.exceptions.DatasetsError) as error:
        local = PurePath(name).name
        home = os.environ.get("SKDISTILL_DATA")
        looked = f"in the folder {Path(home, local)} (SKDISTILL_DATA) or " if home else ""
        raise OSError(
            f"The data set {name!r} was not found {looked}on the Hugging Face Hub: {error}\nSet "
            f"SKDISTILL_DATA (or data_home) to a folder that contains {local}/train.jsonl and "
            f"{local}/test.jsonl, or download the data set once with HF_HUB_OFFLINE unset."
        ) from error
    return {
        split: partial(_read_split, rows, f"{name} {split}", text_column)
        for split, rows in splits.items()
    }


def _read_split(
    rows: Any, where: str, text_column: str, label_column: str | None
) -> tuple[list[str], np.ndarray | None]:
    labels = None
    if label_column is not None:
        found = _labels(rows, label_column, where)
        # On the Hub, all labels of a test split may be withheld.
        if any(label is not None for label in found):
            labels = label_array(found, f"{where}: {label_column}")
    return check_texts(_column(rows, text_column, where), name=f"{where}: {text_column}"), labels


def _labels(rows: Any, column: str, where: str) -> list[Any]:
    """Return labels, with class numbers replaced by names, and None for withheld labels."""
    values = _column(rows, column, where)
    feature = rows.features[column]
    if not hasattr(feature, "int2str"):
        return values
    return [None if value in (None, -1) else feature.int2str(value) for value in values]


def _column(rows: Any, column: str, where: str) -> list[Any]:
    if column not in rows.column_names:
        raise ValueError(
            f"{where} has no column {column!r}; its columns are {', '.join(rows.column_names)}."
        )
    return list(rows[column])

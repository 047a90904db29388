"""Data sets on the Hugging Face Hub."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from skdistill._core.texts import check_texts
from skdistill.datasets._files import label_array


def hub_splits(
    name: str, text_column: str
) -> dict[str, Callable[[str | None], tuple[list[str], np.ndarray | None]]]:
    """Return what reads each split of a data set, with a column of labels or, for None, without."""
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
        # The Hub's test parts may come with all labels withheld.
        if any(label is not None for label in found):
            labels = label_array(found, f"{where}: {label_column}")
    return check_texts(_column(rows, text_column, where), name=f"{where}: {text_column}"), labels


def _labels(rows: Any, column: str, where: str) -> list[Any]:
    """Return labels, by name where numbers are stored that have names; None for withheld ones."""
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

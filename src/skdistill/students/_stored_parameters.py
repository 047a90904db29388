"""A student's parameters in a model file: which are stored, and how they are read."""

import warnings
from typing import Any


def without_removed(parameters: dict[str, Any]) -> dict[str, Any]:
    """Drop training options that were removed from skdistill; warn if one of them was used."""
    removed = {"calibrate_teacher": True, "loss": "standardized_kl"}
    used = [name for name, value in removed.items() if parameters.get(name) == value]
    if used:
        options = " and ".join(f"{name}={removed[name]!r}" for name in used)
        warnings.warn(
            f"This student was trained with {options}, which this version no longer supports. Its "
            "predictions do not change, but refitting will give a different student.",
            stacklevel=3,
        )
    return {
        name: value
        for name, value in parameters.items()
        if name not in used and name != "calibrate_teacher"
    }


def is_plain(value: Any) -> bool:
    """Return whether a parameter can be stored as JSON."""
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def as_tuple(value: Any) -> Any:
    """Turn a list, which JSON makes of a tuple, into a tuple again."""
    return tuple(value) if isinstance(value, list) else value

"""A student's parameters in a model file: which are stored, and how they are read."""

from typing import Any

from skdistill._core.exceptions import warn


def without_removed(parameters: dict[str, Any]) -> dict[str, Any]:
    """Drop training options that were removed from skdistill; warn if one of them was used."""
    removed = {"calibrate_teacher": True, "loss": "standardized_kl"}
    used = [name for name, value in removed.items() if parameters.get(name) == value]
    if used:
        options = " and ".join(f"{name}={removed[name]!r}" for name in used)
        warn(
            f"This student was trained with {options}, which this version no longer supports. Its "
            "predictions do not change, but refitting will give a different student.",
        )
    return {
        name: value
        for name, value in parameters.items()
        if name not in used and name != "calibrate_teacher"
    }


def to_json(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters that JSON can hold, as it can hold them.

    Examples
    --------
    >>> from skdistill.students._stored_parameters import from_json, to_json
    >>> stored = to_json({"lr": 0.1, "class_weight": {0: 1, 1: 9}, "callbacks": object()})
    >>> stored
    {'lr': 0.1, 'class_weight': {'mapping': [[0, 1], [1, 9]]}}
    >>> from_json(stored)
    {'lr': 0.1, 'class_weight': {0: 1, 1: 9}}
    """
    return {
        name: _without_mappings(value) for name, value in parameters.items() if _is_plain(value)
    }


def from_json(stored: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters that `to_json` has stored."""
    return {name: _restored(value) for name, value in stored.items()}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, (*value.keys(), *value.values())))
    return value is None or isinstance(value, bool | int | float | str)


def _without_mappings(value: Any) -> Any:
    """Turn a dict into pairs, because the keys of JSON are strings and labels may be numbers."""
    if isinstance(value, dict):
        return {"mapping": [[key, weight] for key, weight in value.items()]}
    return value


def _restored(value: Any) -> Any:
    """Turn pairs into a dict, and a list, which JSON makes of a tuple, into a tuple."""
    if isinstance(value, dict):
        return dict(value["mapping"])
    return tuple(value) if isinstance(value, list) else value

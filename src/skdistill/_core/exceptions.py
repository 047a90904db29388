"""Exceptions of the package, and warnings that name the user's line."""

import sys
import warnings

# Packages whose lines mean nothing to the reader of a warning.
_LIBRARIES = frozenset(
    {"contextlib", "importlib", "joblib", "skdistill", "sklearn", "skorch", "torch", "transformers"}
)

# The messages of warnings shown once, with the files and lines that they were shown for.
_shown: set[tuple[str, str, int]] = set()


class ModelFileError(ValueError):
    """A file is not a model of this package, or it is damaged."""


class LaterVersionError(ModelFileError):
    """A model file was written by a later version."""


def warn(
    message: str | Warning, category: type[Warning] = UserWarning, *, once: bool = False
) -> None:
    """Warn at the innermost line of the caller's that is in no library.

    `stacklevel` cannot do so: the number of calls between the two differs if an estimator is alone,
    inside a search, or the teacher of a student. With `once`, a message is shown once for each such
    line. Python's default filter does that, too, but forgets it when a library changes the filters.
    """
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in _LIBRARIES:
        frame = frame.f_back
    place = frame.f_code.co_filename, frame.f_lineno
    if once and (str(message), *place) in _shown:
        return
    warnings.warn_explicit(
        message,
        category,
        *place,
        module=frame.f_globals.get("__name__"),
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )
    if once:
        _shown.add((str(message), *place))

"""The student's file, read with errors that speak of the arguments of a command."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skdistill.runtime._model_file import StoredModel

# The start of a student's file contains this, behind eight bytes for a length.
_MARK = b'"format":"skdistill model"'
_HEAD = 4096


def read_student_file(path: Path, name: str = "", other: str = "-") -> "StoredModel":
    """Read the file that was passed as MODEL.

    `other` is what was passed as the argument `name`, which may have been swapped with MODEL.
    """
    from skdistill._core.exceptions import LaterVersionError, ModelFileError
    from skdistill.datasets._files import check_exists
    from skdistill.runtime._model_file import read_model

    swapped = other != "-" and os.path.isfile(other) and _has_mark(Path(other))
    hint = f"; did you swap MODEL and {name}?" if swapped else "."
    if path.is_dir() or not os.path.exists(path):  # a pipe is a file, too
        if swapped:
            raise FileNotFoundError(f"the file {path} does not exist{hint}")
        check_exists(path)
    try:
        return read_model(path)
    except LaterVersionError:
        raise
    except ModelFileError as error:
        if _has_mark(path):
            raise ModelFileError(
                f"MODEL is a damaged skdistill model file: {path}; copy it again, or save the "
                "student again."
            ) from error
        raise ModelFileError(f"MODEL is not a skdistill model file: {path}{hint}") from error


def _has_mark(path: Path) -> bool:
    with path.open("rb") as file:
        return _MARK in file.read(_HEAD)

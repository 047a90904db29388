"""Exceptions of the package."""


class ModelFileError(ValueError):
    """A file is not a model of this package, or it is damaged."""


class LaterVersionError(ModelFileError):
    """A model file was written by a later version."""

"""The errors of the package's own."""


class ModelFileError(ValueError):
    """A file is no model of this package, or is damaged."""

"""Loaders for data sets and files of texts."""

from skdistill._core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "read_texts": "_load",
    },
)

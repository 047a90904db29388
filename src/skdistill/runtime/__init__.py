"""Predict without torch: compiled networks, model files and explanations."""

from skdistill._core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "Explanation": "_explanation",
    },
)

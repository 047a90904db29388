"""Figures drawn with matplotlib."""

from skdistill._core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "pareto_front": "_pareto",
    },
)

"""Estimators that learn from a teacher."""

from skdistill._core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "cascade_curve": "_cascade",
        "make_schedule": "training._schedule",
    },
)

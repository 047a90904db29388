"""Compare models, check whether distillation helped, and choose a student."""

from skdistill._core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "DistillationReport": "_verdict",
        "Recommendation": "_recommendation",
        "Scores": "_verdict",
        "count_parameters": "_model_table",
    },
)

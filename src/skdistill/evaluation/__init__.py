"""Compare models, and check whether distillation helped."""

from skdistill._core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "DistillationReport": "_verdict",
        "Scores": "_verdict",
        "count_parameters": "_model_table",
    },
)

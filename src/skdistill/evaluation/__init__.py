"""Models side by side: comparison, control experiment, recommendation, learning curves."""

from skdistill._core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "DistillationReport": "_distillation_report",
        "Recommendation": "_recommendation",
        "Scores": "_distillation_report",
        "count_parameters": "_model_table",
    },
)

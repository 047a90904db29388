"""Metrics of classifiers, and of the agreement between student and teacher."""

from skdistill._core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "apply_temperature": "_calibration",
        "expected_calibration_error": "_calibration",
        "fidelity": "_fidelity",
        "fit_temperature": "_calibration",
        "paired_bootstrap": "_bootstrap",
        "retention": "_fidelity",
        "word_order_sensitivity": "_word_order",
    },
)

"""How good a model is, and how close a student is to its teacher."""

from skdistill._core.lazy import attach

__getattr__, __dir__, __all__ = attach(
    __name__,
    {
        "apply_temperature": "_fidelity",
        "expected_calibration_error": "_fidelity",
        "fidelity": "_fidelity",
        "fit_temperature": "_fidelity",
        "paired_bootstrap": "_fidelity",
        "retention": "_fidelity",
        "word_order_sensitivity": "_fidelity",
    },
)

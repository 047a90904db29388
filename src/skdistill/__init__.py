"""Distil a big text classifier into a tiny one, inside scikit-learn."""

import logging
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Whoever wants the package's messages adds a handler; otherwise they go nowhere.
logging.getLogger(__name__).addHandler(logging.NullHandler())

# Public names and the modules that define them: importing the package stays fast, because torch,
# transformers and scikit-learn load with the first name that needs them.
_EXPORTS = {
    "CascadeClassifier": "cascade",
    "ComparisonDisplay": "comparison",
    "CompiledClassifier": "serving",
    "ConfusionMatricesDisplay": "confusion",
    "DistilledCNNClassifier": "student",
    "DistilledMLPClassifier": "student",
    "DistilledRNNClassifier": "student",
    "FunctionTeacherClassifier": "function_teacher",
    "LearningCurvesDisplay": "learning_curves",
    "ModelFileError": "_tensor_file",
    "OnnxTextEncoder": "onnx",
    "ParetoDisplay": "tradeoff",
    "ReliabilityDisplay": "reliability",
    "RetentionDisplay": "tradeoff",
    "TextAugmenter": "augment",
    "TextPool": "transfer",
    "TrainingHistoryDisplay": "training_history",
    "TransformerTeacherClassifier": "teacher",
    "ZeroShotTeacherClassifier": "zero_shot",
    "check_text_estimator": "estimator_checks",
    "compare": "comparison",
    "distillation_report": "control",
    "export_onnx": "onnx",
    "load_docstrings": "docstrings",
    "load_emotion": "datasets",
    "load_text_dataset": "datasets",
    "make_tfidf_baseline": "baseline",
    "parametrize_with_text_checks": "estimator_checks",
    "parity_report": "serving",
    "recommend_student": "recommendation",
    "word_order_sensitivity": "metrics",
}

__all__ = ["__version__", *sorted(_EXPORTS)]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_EXPORTS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_EXPORTS})

"""Distil a large text classifier into a tiny one, inside scikit-learn."""

import logging

from skdistill._core.lazy import attach

__version__ = "0.1.0"

# Log messages are discarded unless the user adds a handler.
logging.getLogger(__name__).addHandler(logging.NullHandler())

# Import names lazily to keep `import skdistill` fast: torch, transformers and scikit-learn are only
# imported when a name needs them.
__getattr__, __dir__, _names = attach(
    __name__,
    {
        "CascadeClassifier": "students._cascade",
        "ComparisonDisplay": "displays._comparison",
        "CompiledClassifier": "serving",
        "ConfusionMatricesDisplay": "displays._confusion",
        "DistilledCNNClassifier": "students._cnn",
        "DistilledMLPClassifier": "students._mlp",
        "DistilledRNNClassifier": "students._rnn",
        "FunctionTeacherClassifier": "teachers._function",
        "LLMTeacherClassifier": "teachers._llm",
        "LearningCurvesDisplay": "evaluation._learning_curves",
        "ModelFileError": "_core.exceptions",
        "OnnxTextEncoder": "onnx._export",
        "ParetoDisplay": "displays._pareto",
        "ReliabilityDisplay": "displays._reliability",
        "RetentionDisplay": "displays._retention",
        "TextAugmenter": "augment._augmenter",
        "TextPool": "labelling._pool",
        "TrainingHistoryDisplay": "displays._history",
        "TransformerTeacherClassifier": "teachers._transformer",
        "ZeroShotTeacherClassifier": "teachers._zero_shot",
        "check_text_estimator": "estimator_checks",
        "compare": "evaluation._compare",
        "distillation_report": "evaluation._distillation_report",
        "export_onnx": "onnx._export",
        "load_docstrings": "datasets._docstrings",
        "load_emotion": "datasets._load",
        "load_text_dataset": "datasets._load",
        "make_tfidf_baseline": "teachers._baseline",
        "parametrize_with_text_checks": "estimator_checks",
        "parity_report": "serving",
        "select_texts": "selection._select_texts",
        "word_order_sensitivity": "metrics._word_order",
    },
)
__all__ = ["__version__", *_names]

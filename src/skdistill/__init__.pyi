"""What type checkers see of names that load with their first use."""

from skdistill._core.exceptions import ModelFileError as ModelFileError
from skdistill.augment._augmenter import TextAugmenter as TextAugmenter
from skdistill.datasets._docstrings import load_docstrings as load_docstrings
from skdistill.datasets._load import load_emotion as load_emotion
from skdistill.datasets._load import load_text_dataset as load_text_dataset
from skdistill.displays._comparison import ComparisonDisplay as ComparisonDisplay
from skdistill.displays._confusion import ConfusionMatricesDisplay as ConfusionMatricesDisplay
from skdistill.displays._history import TrainingHistoryDisplay as TrainingHistoryDisplay
from skdistill.displays._pareto import ParetoDisplay as ParetoDisplay
from skdistill.displays._reliability import ReliabilityDisplay as ReliabilityDisplay
from skdistill.displays._retention import RetentionDisplay as RetentionDisplay
from skdistill.estimator_checks import check_text_estimator as check_text_estimator
from skdistill.estimator_checks import parametrize_with_text_checks as parametrize_with_text_checks
from skdistill.evaluation._compare import compare as compare
from skdistill.evaluation._distillation_report import distillation_report as distillation_report
from skdistill.evaluation._learning_curves import LearningCurvesDisplay as LearningCurvesDisplay
from skdistill.labelling._pool import TextPool as TextPool
from skdistill.metrics._word_order import word_order_sensitivity as word_order_sensitivity
from skdistill.onnx._export import OnnxTextEncoder as OnnxTextEncoder
from skdistill.onnx._export import export_onnx as export_onnx
from skdistill.selection._select_texts import select_texts as select_texts
from skdistill.serving import CompiledClassifier as CompiledClassifier
from skdistill.serving import parity_report as parity_report
from skdistill.students._cascade import CascadeClassifier as CascadeClassifier
from skdistill.students._cnn import DistilledCNNClassifier as DistilledCNNClassifier
from skdistill.students._mlp import DistilledMLPClassifier as DistilledMLPClassifier
from skdistill.students._rnn import DistilledRNNClassifier as DistilledRNNClassifier
from skdistill.teachers._baseline import make_tfidf_baseline as make_tfidf_baseline
from skdistill.teachers._function import FunctionTeacherClassifier as FunctionTeacherClassifier
from skdistill.teachers._llm import LLMTeacherClassifier as LLMTeacherClassifier
from skdistill.teachers._transformer import (
    TransformerTeacherClassifier as TransformerTeacherClassifier,
)
from skdistill.teachers._zero_shot import ZeroShotTeacherClassifier as ZeroShotTeacherClassifier

__version__: str

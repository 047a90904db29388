"""What type checkers see of names that load with their first use."""

from skdistill._tensor_file import ModelFileError as ModelFileError
from skdistill.augment import TextAugmenter as TextAugmenter
from skdistill.baseline import make_tfidf_baseline as make_tfidf_baseline
from skdistill.cascade import CascadeClassifier as CascadeClassifier
from skdistill.control import distillation_report as distillation_report
from skdistill.datasets import load_emotion as load_emotion
from skdistill.datasets import load_text_dataset as load_text_dataset
from skdistill.docstrings import load_docstrings as load_docstrings
from skdistill.estimator_checks import check_text_estimator as check_text_estimator
from skdistill.estimator_checks import parametrize_with_text_checks as parametrize_with_text_checks
from skdistill.function_teacher import FunctionTeacherClassifier as FunctionTeacherClassifier
from skdistill.metrics import word_order_sensitivity as word_order_sensitivity
from skdistill.onnx import OnnxTextEncoder as OnnxTextEncoder
from skdistill.onnx import export_onnx as export_onnx
from skdistill.recommendation import recommend_student as recommend_student
from skdistill.serving import CompiledClassifier as CompiledClassifier
from skdistill.serving import parity_report as parity_report
from skdistill.student import DistilledCNNClassifier as DistilledCNNClassifier
from skdistill.student import DistilledMLPClassifier as DistilledMLPClassifier
from skdistill.student import DistilledRNNClassifier as DistilledRNNClassifier
from skdistill.teacher import TransformerTeacherClassifier as TransformerTeacherClassifier
from skdistill.transfer import TextPool as TextPool
from skdistill.zero_shot import ZeroShotTeacherClassifier as ZeroShotTeacherClassifier

__version__: str

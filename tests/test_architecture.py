"""The package's own rules: where imports point, and what loads when."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skdistill

PACKAGE = Path(skdistill.__file__).parent

# From top to bottom: a module may import those in later rows only.
LAYERS = [
    ["cli"],
    ["_cli_cache", "_cli_demo", "_cli_export", "_cli_fit", "_cli_predict", "_cli_report"],
    ["_bulk_prediction", "_cli_options", "_cli_training", "demo"],
    ["comparison", "learning_curves"],
    ["tradeoff"],
    ["report", "estimator_checks", "_evaluation", "_narrator", "_teacher_choice"],
    ["recommendation", "_unlabeled_texts"],
    ["student", "baseline", "cascade", "function_teacher"],
    ["control"],
    ["_student_base"],
    ["_fitted_student", "_student_docs"],
    ["_labels", "transfer"],
    ["augment"],
    ["_word_neighbours"],
    ["_masked_lm", "_word_roles"],
    ["soft_labels", "training"],
    ["_labelling", "soft_label_store"],
    ["reliability", "confusion", "training_history"],
    ["teacher", "zero_shot"],
    ["_finetune", "_transformer"],
    ["_checkpoints", "_inference", "_int8"],
    ["_hf", "_text_to_text"],
    ["_heads"],
    ["networks", "losses"],
    ["onnx"],
    ["_onnx_strings"],
    ["_onnx_graph", "serving"],
    ["card"],
    ["_card_figures", "_card_model"],
    ["explanation", "model_file"],
    ["runtime", "embedding_init", "_character_tables", "_feature_spans"],
    ["vocabulary"],
    ["_word_table", "docstrings", "_text_units"],
    ["_svg", "_training_facts", "ragged", "metrics", "datasets", "schedule"],
    ["_class_scores", "multilabel"],
    ["_point_labels"],
    ["_label_placement", "_plotting"],
    ["_epoch_tasks", "_validation", "_versions", "_torch", "quantization", "_tensor_file"],
    ["_row_files", "_text_streams"],
    ["_documentation_links", "_interruption", "_progress", "_threads", "_utf8"],
    ["_text_tables", "_units"],
    ["_checkpoint_source", "_decorators", "_files", "_markup", "_texts"],
]
LEVELS = {module: level for level, row in enumerate(LAYERS) for module in row}


def imported_modules(path):
    """Names of the package's modules that a file imports anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            if node.module == "skdistill":
                yield from (alias.name for alias in node.names if alias.name in LEVELS)
            elif node.module.startswith("skdistill."):
                yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("skdistill."):
                    yield alias.name.split(".")[1]


def test_every_module_has_its_place():
    assert {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"} == set(LEVELS)


@pytest.mark.parametrize("module", sorted(LEVELS))
def test_imports_point_downwards(module):
    upwards = {
        other
        for other in imported_modules(PACKAGE / f"{module}.py")
        if LEVELS[other] <= LEVELS[module]
    }
    assert not upwards


def modules_after(statement):
    code = f"import sys; {statement}; print(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_heavy():
    heavy = {"torch", "transformers", "sklearn", "datasets", "pandas", "scipy", "numpy"}
    assert not heavy & modules_after("import skdistill")


def test_displays_load_without_matplotlib():
    names = [name for name in skdistill._EXPORTS if name.endswith("Display")]
    loaded = modules_after(f"from skdistill import compare, {', '.join(names)}")
    assert {"skdistill.tradeoff", "skdistill.reliability"} <= loaded
    assert not {"matplotlib", "torch", "transformers", "datasets"} & loaded


def test_a_student_loads_without_torch():
    loaded = modules_after("from skdistill import DistilledMLPClassifier, TextPool")
    assert "sklearn" in loaded
    assert not {"torch", "transformers", "datasets", "skorch"} & loaded


@pytest.mark.parametrize("name", skdistill._EXPORTS)
def test_public_names_exist_and_are_documented(name):
    assert name in dir(skdistill)
    assert getattr(skdistill, name).__doc__


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        getattr(skdistill, "nonsense")  # noqa: B009

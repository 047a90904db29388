"""The command ``skdistill export``: convert a student to another format."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from skdistill._core.exceptions import warn
from skdistill.cli import _inputs, _options

if TYPE_CHECKING:
    from skdistill.serving import CompiledClassifier

# From this share of texts without known words on, the output warns of them.
_MANY_UNKNOWN = 0.5


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command ``export``."""
    export = _options.add_command(
        commands,
        "export",
        usage="MODEL -o FILE [options]",
        summary="convert a student to ONNX, to another precision, or to a model card",
        description="Convert a student to an ONNX graph, to a model card (an HTML page that runs "
        "the student) or, with --precision, to a smaller .skd file. The command compares the "
        "result with the student, on the texts in --texts or on texts made from the vocabulary. "
        "For a card with test scores, use `skdistill report --html`.",
        examples="""
            skdistill export model.skd -o model.onnx
            skdistill export model.skd -o strings.onnx --inputs strings
            skdistill export model.skd -o small.skd --precision int8 --texts test.csv
            skdistill export model.skd -o page.html
            """,
    )
    _options.add_model(export)
    _options.add_output_options(
        export, metavar="FILE", help="the new file, which ends in .onnx, .skd or .html"
    )
    export.add_argument(
        "--inputs",
        choices=["ids", "strings"],
        metavar="KIND",
        help="input of the graph: ids (default), numbers of words, which an OnnxTextEncoder makes; "
        "or strings, which are raw texts",
    )
    export.add_argument(
        "--precision",
        choices=["float32", "float16", "int8"],
        metavar="TYPE",
        help="type of the weights in a .skd file: float32, float16 (smaller) or int8 (smallest)",
    )
    export.add_argument(
        "--texts",
        type=_options.file_name,
        metavar="FILE",
        help="a file of texts for the comparison; may be .txt",
    )
    _inputs.add_text_column(export)
    _inputs.add_reading_options(export)
    export.add_argument("--json", action="store_true", help="print the result as JSON")
    export.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    forms = {".onnx": _export_onnx, ".skd": _export_skd, ".html": _export_html}
    export = forms.get(arguments.output.suffix)
    if export is None:
        arguments.usage_error(f"the output {arguments.output} must end in {' or '.join(forms)}")
        return
    if arguments.inputs is not None and export is not _export_onnx:
        arguments.usage_error("--inputs is only for .onnx files; remove it")
    if export is _export_skd and arguments.precision is None:
        arguments.usage_error("a .skd output requires --precision")
    if export is not _export_skd and arguments.precision is not None:
        arguments.usage_error("--precision is only for .skd files; remove it")
    _options.refuse_same(arguments.output, arguments.model, "model")
    _options.check_output(arguments.output, arguments.force)
    # Imported here so that `skdistill --help` starts fast.
    from skdistill._core.format import format_bytes
    from skdistill.cli.prediction._student_file import read_student_file
    from skdistill.serving import CompiledClassifier

    student = CompiledClassifier(read_student_file(arguments.model))
    found = export(arguments, student)
    n_bytes = arguments.output.stat().st_size
    if arguments.json:
        content = {"model": str(arguments.output), "n_bytes": n_bytes, **found}
        print(json.dumps(content, indent=2, ensure_ascii=False))
        return
    print(
        f"{arguments.output}: {format_bytes(n_bytes)} ({arguments.model}: "
        f"{format_bytes(arguments.model.stat().st_size)})"
    )
    print(
        f"probabilities differ by at most {found['largest_difference']:.2g} on "
        f"{found['n_texts']:,} texts"
    )
    if "agreement" in found:
        print(f"the predicted class is the same for {100 * found['agreement']:.2f} % of them")


def _texts(arguments: argparse.Namespace, student: "CompiledClassifier") -> list[str] | None:
    """Return the texts for the comparison; warn if the student knows nothing of most of them."""
    if arguments.texts is None:
        return None
    texts = _inputs.read_unlabelled_file(arguments.texts, arguments)
    proba = student.predict_proba([*texts, ""])
    n_unknown = int((proba[:-1] == proba[-1]).all(axis=1).sum())
    if n_unknown > _MANY_UNKNOWN * len(texts):
        warn(
            f"{n_unknown:,} of the {len(texts):,} texts of {arguments.texts} contain no word that "
            "the student knows, so they say nothing about the result; pass other --texts.",
        )
    return texts


def _export_onnx(arguments: argparse.Namespace, student: "CompiledClassifier") -> dict[str, Any]:
    from skdistill.onnx._export import export_onnx

    return export_onnx(
        student,
        arguments.output,
        inputs=arguments.inputs or "ids",
        texts=_texts(arguments, student),
    )


def _export_skd(arguments: argparse.Namespace, student: "CompiledClassifier") -> dict[str, Any]:
    from dataclasses import replace

    from skdistill.onnx._export import make_texts
    from skdistill.runtime._model_file import read_model, write_model
    from skdistill.serving import parity_report

    model = read_model(arguments.model)
    texts = _texts(arguments, student) or make_texts(model.vocabulary)
    if arguments.precision == "int8":  # as in student.save
        model = replace(model, counts=None)
    write_model(model, arguments.output, arguments.precision)
    return parity_report(student, texts, precision=arguments.precision)


def _export_html(arguments: argparse.Namespace, student: "CompiledClassifier") -> dict[str, Any]:
    from skdistill.onnx._export import make_texts
    from skdistill.serving import parity_report

    texts = _texts(arguments, student) or make_texts(student._model.vocabulary)
    student.to_html(arguments.output)
    return parity_report(student, texts, precision="int8")  # the page computes in int8

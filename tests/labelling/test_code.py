"""What counts of a function, a class and the modules that they refer to."""

import importlib
import sys
import types

import pytest

from skdistill.labelling._code import class_parts, function_parts
from skdistill.labelling._description import describe


def run(source, **variables):
    """Run a notebook's cell, and return what it defines."""
    variables["__name__"] = "__main__"
    exec(compile(source, "<cell>", "exec"), variables)
    return types.SimpleNamespace(**variables)


RULES = {"soup": 0}
SEEN: list[str] = []


class Answer:
    words = ("soup",)
    n_calls = 0

    def __init__(self, words=None):
        if words is not None:
            self.words = words

    def __call__(self, texts):
        type(self).n_calls += 1
        return [text in self.words for text in texts]


def test_an_attribute_of_an_object_hides_no_variable_of_its_name():
    def ask(texts):
        answer = Answer()
        answer.RULES = 1
        SEEN.append(RULES.copy().pop("soup"))
        return texts

    assert function_parts(ask)["global"] == {"Answer": Answer, "RULES": RULES, "SEEN": list}


def test_defaults_of_a_class_count_and_its_counters_do_not():
    assert class_parts(Answer)["entry"].keys() == {"words", "__init__", "__call__"}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return a function that writes modules of a user, and forgets their earlier versions."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    own = set[str]()

    def write(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            own.add(name.removesuffix(".py").replace("/", ".").removesuffix(".__init__"))
        for name in own:
            monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.invalidate_caches()

    yield write
    for name in own:
        sys.modules.pop(name, None)


HELPERS = {
    "user_a.py": "from user_b import clean\ndef go(x): return clean(x)",
    "user_b.py": "def clean(x): return 1  # comment",
    "user_pk/__init__.py": "",
    "user_pk/sub.py": "def go(x):\n    from . import other\n    return other.go(x)",
    "user_pk/other.py": "def go(x): return 1  # comment",
    "user_ns/deep/leaf.py": "def go(x): return 1  # comment",  # no __init__.py
}
# How a function uses another module, and where the code that it runs in the end is.
USES = {
    "import": ("import user_a\n    return user_a.go(x)", "user_b.py"),
    "import from": ("from user_b import clean\n    return clean(x)", "user_b.py"),
    "import of a part": (
        "import user_pk.other\n    return user_pk.other.go(x)",
        "user_pk/other.py",
    ),
    "part of a package": ("from user_pk import sub\n    return sub.go(x)", "user_pk/other.py"),
    "part of a namespace": ("from user_ns.deep import leaf as n", "user_ns/deep/leaf.py"),
    "global": ("return user_a.go(x)", "user_b.py"),
    "alias": ("module = user_a\n    return module.go(x)", "user_b.py"),
}


@pytest.mark.parametrize("use", USES)
def test_edits_of_the_modules_of_the_user_count_and_comments_do_not(write, use):
    source, edited = USES[use]
    keys = []
    for content in (
        HELPERS[edited],
        HELPERS[edited].replace("# comment", "# another"),
        HELPERS[edited].replace("1", "20"),
    ):
        write({**HELPERS, edited: content})
        module = importlib.import_module("user_a") if source.count("user_a") == 1 else None
        keys.append(describe(run(f"def f(x):\n    {source}", user_a=module).f))
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("user_pk", "from .other import go"),
        ("user_pk", "from . import other"),
        ("user_pk.deep", "from ..other import go"),
        ("user_pk.deep", "from .. import other"),
    ],
)
def test_imports_relative_to_the_package_of_a_function_count(write, package, source):
    keys = []
    for content in ("def go(x): return 1", "def go(x): return 2"):
        write(HELPERS | {"user_pk/other.py": content})
        variables = {"__name__": f"{package}.module", "__package__": package}
        exec(f"def f(x):\n    {source}", variables)
        keys.append(describe(variables["f"]))
    assert keys[0] != keys[1]


def test_describing_imports_nothing(write):
    write(HELPERS)
    describe(run("def f(x):\n    from user_pk import sub, absent\n    return sub.go(x)").f)
    describe(run("def f(x):\n    import no_such_package.at_all").f)
    assert not [name for name in sys.modules if name.startswith("user_")]


def test_a_module_counts_by_its_own_file_and_by_the_versions_of_packages(write):
    write({"user_c.py": "import numpy, json\nimport user_c"})
    parts = function_parts(run("def f():\n    import user_c").f)["global"]["import"]
    assert parts.keys() == {"json", "numpy", "user_c"}
    assert (parts["json"], parts["numpy"]) == ("", sys.modules["numpy"].__version__)
    write({"user_c.py": "this is no Python"})
    assert describe(run("def f():\n    import user_c").f)


CELL = """
class Meta(type):
    def label(cls, text):
        return 1
class Answer(metaclass=Meta):
    __prompt__ = 2
    def __call__(self, texts):
        return [type(self).label(self.__prompt__ + text) for text in texts]
def ask(texts):
    "food or travel? 3"
    ask.n_calls += 1
    return [ask.prompt + ask.__doc__ + text for text in texts]
ask.prompt, ask.n_calls = 4, 0
def call(texts):
    return ask.prompt
"""
EDITS = {
    "method of a metaclass": ("return 1", {"Answer"}),
    "name with underscores": ("__prompt__ = 2", {"Answer"}),
    "docstring that is used": ("travel? 3", {"ask"}),
    "attribute of a function": ("n_calls = 4", {"ask", "call"}),
    "counter of a function": (", 0", set()),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_is_read_of_a_function_or_class_counts(edit):
    place, changed = EDITS[edit]
    assert place in CELL
    one, other = run(CELL), run(CELL.replace(place, f"{place}0"))
    for name in ("Answer", "ask", "call"):
        same = describe(getattr(one, name)) == describe(getattr(other, name))
        assert same == (name not in changed)

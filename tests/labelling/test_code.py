"""What counts of a function, a class and the modules that they refer to."""

import importlib
import sys
import time
import types
import warnings

import pytest

from skdistill._core import exceptions
from skdistill.labelling._code import _initial, class_parts, function_parts
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


def test_a_variable_that_a_function_makes_itself_does_not_count_when_it_is_there():
    made = "global n\n    try:\n        n += 1\n    except NameError:\n        n = 1"
    cell = run(f"def f():\n    {made}\n    return n\ndef g(): later.append(1)")
    keys = [describe(cell.f), describe(cell.g)]
    assert cell.f() == 1
    cell.g.__globals__["later"] = []
    assert describe(cell.f) == keys[0]
    assert describe(cell.g) != keys[1]


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return a function that writes modules of a user, and forgets their earlier versions."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(exceptions, "_shown", set())
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


FILLING = """
PROMPT = "food or travel?"  # comment
messages: list = [{"role": "system", "content": PROMPT}]
settings = {"state": {"n": 0}, "unused": 1}
n_asked = 10

class Chat:
    first = ["hello"]
    n_calls = 20

    @classmethod
    def count(cls):
        cls.n_calls += 1

    def __call__(self, texts):
        self.first.extend(texts)
        self.count()
        return texts

chat = Chat()

def ask(texts):
    global n_asked
    n_asked += 1
    messages.extend(texts)
    settings["state"]["n"] += 1
    return chat(texts)

def other(texts):
    return 5
"""


@pytest.mark.parametrize(
    ("place", "edited", "counts"),
    [
        ("travel?", "sport?", True),
        ("system", "user", True),
        ("hello", "goodbye", True),
        ('"n": 0', '"n": 1', True),
        ("= 10", "= 11", True),
        ("= 20", "= 21", True),
        ("comment", "remark", False),
        ("return 5", "return 6", False),
    ],
)
def test_the_initial_content_of_what_is_filled_counts(write, place, edited, counts):
    assert FILLING.count(place) == 1
    keys = []
    for source in (FILLING, FILLING.replace(place, edited)):
        write({"user_d.py": source})
        ask = importlib.import_module("user_d").ask
        keys.append(describe(ask))
        ask(["a warm soup"])
        # As cloudpickle sends it to a worker.
        names = {"__file__", *ask.__code__.co_names} & ask.__globals__.keys()
        sent = types.FunctionType(ask.__code__, {name: ask.__globals__[name] for name in names})
        assert describe(ask) == describe(sent) == keys[-1]
    assert (keys[0] != keys[1]) == counts


# Ways in which a module fills a list, or "F", at its start; each contains the prompt "soup".
STARTS = {
    "if": "import sys\nif sys:\n    H = ['soup']\nelse:\n    H = []",
    "else": "import sys\nif not sys:\n    H = []\nelse:\n    H = ['soup']",
    "condition": "kind = 'soup'\nH = []\nif kind == 'soup':\n    H = ['a soup'[2:]]",
    "try": "try:\n    H = ['soup']\nexcept OSError:\n    H = []",
    "except": "try:\n    H = [lost]\nexcept NameError:\n    H = ['soup']",
    "with": "import io\nwith io.StringIO() as file:\n    H = ['soup']",
    "loop": "for word in ['soup']:\n    H = [word]",
    "match": "match 1:\n    case 1:\n        H = ['soup']",
    "two at once": "H, N = ['soup'], []",
    "an item": "H = [1]\nH[0] = 'soup'",
    "function": "def system():\n    return 'soup'\nH = [system()]",
    "class": "class System:\n    text = 'soup'\nH = [System().text]",
    "class body": "class A:\n    if 1:\n        H = ['soup']\n    def f(self):\n"
    "        self.H.append(1)\n        return self.H[0]\ndef f(x): return A().f()",
}


@pytest.mark.parametrize("start", [*STARTS, "import", "import of a module"])
def test_whatever_a_module_assigns_at_its_start_counts(write, start):
    source = STARTS.get(start, "from user_g import SYSTEM\nH = [SYSTEM]")
    if start == "import of a module":
        source = "import user_g as g\nH = [g.SYSTEM]"
    if "def f" not in source:
        source += "\ndef f(x):\n    H.append(x)\n    return H[0]"
    keys, answers = [], []
    for word in ("soup", "soup", "bus"):
        files = {"user_f.py": source, "user_g.py": "SYSTEM = 'soup'"}
        write({name: content.replace("soup", word) for name, content in files.items()})
        f = importlib.import_module("user_f").f
        keys.append(describe(f))
        answers.append(f(1))
        assert describe(f) == keys[-1]
    assert "soup" in answers[0]
    assert keys[0] == keys[1] != keys[2]


def test_a_module_that_is_nested_too_deeply_counts_by_its_bytes(write):
    branches = "".join(f"elif x == {number}: y = 1\n" for number in range(900))
    source = f"H = ['soup']\nx = 1\nif x == 0: y = 1\n{branches}def f(x): H.append(x)"
    keys = []
    for content in (source, source, source.replace("soup", "bus")):
        write({"user_f.py": content})
        keys.append(describe(importlib.import_module("user_f").f))
    assert keys[0] == keys[1] != keys[2]


def test_a_module_without_python_source_has_no_initial_content(tmp_path):
    path = tmp_path / "compiled.so"
    path.write_bytes(b"seen = []")
    assert _initial({"__file__": str(path)}, {"seen"}) == {}
    path = path.rename(path.with_suffix(".py"))
    assert list(_initial({"__file__": str(path)}, {"seen"})) == ["initial"]


def test_without_a_file_the_initial_content_does_not_count(write, tmp_path):
    write({"user_d.py": FILLING})
    ask = importlib.import_module("user_d").ask
    (tmp_path / "user_d.py").unlink()
    assert "initial" not in function_parts(ask)


def edit(file, content):
    time.sleep(0.02)  # file systems count in steps of a few milliseconds
    file.write_text(content)


# A module, and a function that gets a prompt of it in a way that only the file shows.
EDITED_USES = {
    "import in a function": ("PROMPT = 'food?'", "from user_e import PROMPT as p\n    return p"),
    "import of a module": ("PROMPT = 'food?'", "import user_e\n    return user_e.PROMPT"),
    "module": ("PROMPT = 'food?'", "module = user_e\n    return module.PROMPT"),
    "start of a list": ("H = ['food?']\ndef f(x):\n    H.append(x)\n    return H[0]", None),
}


@pytest.mark.parametrize("use", EDITED_USES)
def test_a_module_counts_as_it_was_imported_until_it_is_reloaded(write, tmp_path, use):
    source, body = EDITED_USES[use]

    def key():
        module = sys.modules["user_e"]
        function = module.f if body is None else run(f"def f(x):\n    {body}", user_e=module).f
        return describe(function)

    write({"user_e.py": source})
    importlib.import_module("user_e")
    first = key()
    edit(tmp_path / "user_e.py", source.replace("food", "sport"))
    with pytest.warns(UserWarning, match=r"^The module 'user_e' was edited after it was imported"):
        assert key() == first
    importlib.reload(sys.modules["user_e"])
    second = key()
    assert second != first
    write({"user_e.py": source})
    importlib.import_module("user_e")
    assert key() == first
    edit(tmp_path / "user_e.py", source.replace("food", "sport"))
    importlib.reload(sys.modules["user_e"])
    assert key() == second


@pytest.mark.parametrize("use", EDITED_USES)
def test_a_module_that_was_edited_before_it_was_seen_has_a_key_of_its_own(
    write, tmp_path, monkeypatch, use
):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    source, body = EDITED_USES[use]
    keys = set()
    for _ in range(2):
        write({"user_e.py": source})
        module = importlib.import_module("user_e")
        edit(tmp_path / "user_e.py", source.replace("food", "sport"))
        function = module.f if body is None else run(f"def f(x):\n    {body}", user_e=module).f
        exceptions._shown.clear()
        with pytest.warns(UserWarning, match=r"memory` keeps answers for this process only"):
            keys.add(describe(function))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            keys.add(describe(function))  # the same again
        write({"user_e.py": source.replace("food", "sport")})
        module = importlib.import_module("user_e")
        function = module.f if body is None else run(f"def f(x):\n    {body}", user_e=module).f
        keys.add(describe(function))
    assert len(keys) == 3


SCHEMAS = """
import dataclasses, enum, inspect, typing
from typing import Annotated, Literal, NamedTuple, Optional, TypedDict
class Plain:
    "Food or travel? 1"
    topic: Literal["2"]
    follows: Optional["Plain"]
@dataclasses.dataclass
class Data:
    topic: str = dataclasses.field(default="a", metadata={"description": "3"})
    other: object = lambda: None
class Row(NamedTuple):
    topic: Literal["4"]
class Keys(TypedDict, total=bool(50)):
    topic: Annotated[Literal["6"], "7"]
def tool(topic: Annotated[str, "8"]):
    "Look something up. 9"
def ask(texts): return Plain, Data, Row, Keys, tool
def read(texts): return inspect.signature(tool), inspect.getdoc(tool)
def look(texts): return tool.__annotations__, tool.__doc__
"""


@pytest.mark.parametrize("number", ["nothing", "1", "2", "3", "4", "50", "6", "7", "8", "9"])
def test_schemas_count_and_of_functions_if_they_are_read(number):
    one, other = run(SCHEMAS), run(SCHEMAS.replace(number, "0"))
    changed = {name for name in ("ask", "read", "look") if key_of(one, name) != key_of(other, name)}
    expected = {"nothing": set(), "8": {"read", "look"}, "9": {"read", "look"}}
    assert changed == expected.get(number, {"ask"})


def key_of(cell, name):
    return describe(getattr(cell, name))


def test_a_class_is_the_same_after_its_annotations_were_read():
    cell = run("class A: pass\nclass B:\n    x: Undefined = 1".replace("Undefined", "int"))
    before = describe(cell.A), describe(cell.B)
    assert (cell.A.__annotations__, cell.B.__annotations__) == ({}, {"x": int})
    assert (describe(cell.A), describe(cell.B)) == before


def test_annotations_that_wait_count_without_being_evaluated():
    class Topic:
        def __annotate_func__(self):  # as Python 3.14 makes it
            return {"topic": undefined("food")}  # noqa: F821

    class Other:
        def __annotate_func__(self):
            return {"topic": undefined("sport")}  # noqa: F821

    Other.__qualname__, Other.__module__ = Topic.__qualname__, Topic.__module__
    assert class_parts(Topic)["entry"].keys() == {"__annotations__"}
    assert class_parts(Topic) != class_parts(Other)


PYDANTIC = """
from pydantic import BaseModel, Field
class Part(BaseModel):
    name: str = Field(description="1")
class Answer(BaseModel):
    "Food or travel? 2"
    topic: str = Field(description="3", max_length=40)
    parts: list[Part] = Field(default_factory=list)
    next: "Answer | None" = None
def ask(texts):
    return [Answer.model_json_schema() for text in texts]
"""


@pytest.mark.parametrize("edit", ["", "1", "2", "3", "40"])
def test_fields_of_pydantic_models_count(edit):
    pytest.importorskip("pydantic")
    one, other = run(PYDANTIC), run(PYDANTIC.replace(edit, "9") if edit else PYDANTIC)
    before = describe(one.ask)
    assert (before != describe(other.ask)) == bool(edit)
    one.ask(["soup"])
    assert describe(one.ask) == before


# How a function reaches a variable of a module; in "make", the function is inside another.
REACHES = {
    "import": "def f(): import user_v; return user_v.P",
    "import as": "def f():\n    import user_vp.sub as v\n    return v.P",
    "import from": "def f(): from user_v import P; return P",
    "import of a part": "def f():\n    from user_vp import sub\n    return sub.P",
    "import for an inner function": "def f():\n    import user_v\n    return lambda: user_v.P",
    "import of a function": "def f():\n    from user_v import get\n    return get()",
    "closure": "def make():\n    import user_v\n    return lambda: user_v.P\nf = make()",
    "item": "def make():\n    import user_v as v\n    return lambda: [v][0].P\nf = make()",
    "default": "import user_v\ndef f(v=user_v): return v.P",
    "attribute": "import user_v\nclass C:\n    def f(self): return self.v.P\nc = C()\n"
    "c.v = user_v\nf = c.f",
    "function in a closure": "def make():\n    def f(): return f.P\n    f.P = 1\n    return f\n"
    "f = user_f = make()",
}


@pytest.mark.parametrize("reach", REACHES)
def test_a_variable_of_a_module_counts_however_it_is_reached(write, reach):
    source = "P = 1\nCALLS = 0\ndef get():\n    global CALLS\n    CALLS += 1\n    return P"
    write({"user_v.py": source, "user_vp/__init__.py": "", "user_vp/sub.py": source})
    modules = [importlib.import_module(name) for name in ("user_v", "user_vp.sub")]
    cell = run(REACHES[reach])
    keys = [describe(cell.f)]
    modules[0].get()
    keys.append(describe(cell.f))
    for owner in (*modules, getattr(cell, "user_f", modules[0])):
        owner.P = 2
    keys.append(describe(cell.f))
    assert keys[0] == keys[1] != keys[2]


COUNTS = "user_v.N += 1\n    user_v.LAST = 1\n    user_v.LOG.append(1)"


@pytest.mark.parametrize(
    "source",
    [
        f"import user_v\ndef f():\n    {COUNTS}",
        f"import user_v\ndef f():\n    {COUNTS}\n    return user_v",
        f"def f():\n    import user_v\n    {COUNTS}",
        "def f():\n    from user_v import LOG\n    LOG.append(1)",
    ],
)
def test_what_a_function_changes_of_a_module_does_not_count(write, source):
    write({"user_v.py": "LOG = []\nN = 0"})
    importlib.import_module("user_v")
    f = run(source).f
    before = describe(f)
    f()
    assert describe(f) == before


def test_a_variable_of_unknown_content_is_named_with_its_module(write):
    write({"user_v.py": "def ask():\n    yield\nLINE = ask()"})
    f = run("import user_v\ndef f(v=user_v): return v.LINE").f
    with pytest.raises(
        TypeError, match=r"because user_v\.LINE of .* is an object of type builtins"
    ):
        describe(f)

"""Hashes by content: what differs, what does not, and what cannot be hashed."""

import ast
import copy
import enum
import functools
import os
import pickle
import re
import subprocess
import sys
import threading
import types
from collections import OrderedDict, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skdistill import make_tfidf_baseline
from skdistill.labelling import _owners
from skdistill.labelling._description import describe

X = ["good", "bad", "good film", "bad film"] * 3
Y = np.array(["pos", "neg", "pos", "neg"] * 3)


def run(source, **variables):
    """Run a notebook's cell, and return what it defines."""
    variables["__name__"] = "__main__"
    exec(compile(source, "<cell>", "exec"), variables)
    return types.SimpleNamespace(**variables)


TABLE = np.arange(12.0).reshape(3, 4)
EQUAL = {
    "strides": (np.asfortranarray(TABLE), TABLE),
    "slices": (np.arange(24.0)[::2].reshape(3, 4), 2 * TABLE),
    "order of bytes": (TABLE.astype(">f8"), TABLE),
    "order of bytes of fields": (np.zeros(2, [("a", ">i4")]), np.zeros(2, [("a", "i4")])),
    "strings of an array": (np.array(["a", "bc"], dtype=object), np.array(["a", "bc"], object)),
    "sets": ({"a", "b", "c"}, {"c", "b", "a"}),
    "keys of several types": ({1: "a", "b": 2, None: 3}, {1: "a", "b": 2, None: 3}),
    "attributes": (types.SimpleNamespace(a=1, b=2), types.SimpleNamespace(b=2, a=1)),
    "identity": ([TABLE, TABLE], [TABLE, TABLE.copy()]),
    "interned strings": (["aa", "aa"], ["aa", "".join(["a", "a"])]),
    "sparse": (sparse.csr_array(TABLE), sparse.csr_array(sparse.csr_array(TABLE).tocsc().tocsr())),
    "tensors": (torch.eye(2)[:, :1], torch.eye(2)[:, :1].clone()),
    "modules of torch": (torch.nn.Linear(2, 1), None),
    "locks": ({"lock": threading.Lock()}, {"lock": threading.Lock()}),
    "patterns": (re.compile("a"), re.compile("a")),
    "partials": (functools.partial(max, 1, key=abs), functools.partial(max, 1, key=abs)),
}


@pytest.mark.parametrize("name", EQUAL)
def test_values_of_equal_content_are_equal(name):
    one, other = EQUAL[name]
    if other is None:
        other = copy.deepcopy(one)
    assert describe(one) == describe(other) == describe(one)
    if name != "locks":
        assert describe(pickle.loads(pickle.dumps(one))) == describe(one)


@pytest.mark.parametrize(
    "values",
    [
        (TABLE, TABLE.reshape(4, 3), TABLE.astype(np.float32), TABLE + 1e-12, TABLE.tolist()),
        (1, True, 1.0, "1", b"1", [1], None, np.int64(1), np.uint8(1), np.float64(1)),
        (["a", "bc"], ("a", "bc"), ["ab", "c"], ["a", "b", "c"], [["a"], "bc"], [["a", "bc"]]),
        ({1: 2}, {2: 1}, {1, 2}, [1, 2], {}, set()),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2, "b": 1}),  # a prompt may follow the order
        (sparse.csr_array(TABLE), sparse.csc_array(TABLE), sparse.csr_array(2 * TABLE)),
        (torch.zeros(2), torch.zeros(2, 1), torch.zeros(2, dtype=torch.float64), torch.ones(2)),
        (re.compile("a"), re.compile("a", re.IGNORECASE)),
        (functools.partial(max, 1), functools.partial(max, 2), functools.partial(min, 1)),
        (str.lower, str.upper, "a".lower, "b".lower, len, np.add, np.subtract),
    ],
    ids=lambda values: type(values[0]).__name__,
)
def test_values_of_other_content_differ(values):
    assert len({*map(describe, values)}) == len(values)


CELL = """
import numpy as np
WORDS = {"a", "soup", "train", "bus"}
asked, counts, n_calls = [], {"calls": 0}, 0
def helper(text):
    return text.strip()
def clean(texts, *, lower=True):
    "Clean texts."
    global n_calls
    n_calls += 1
    counts["calls"] += 1
    asked.extend(texts)
    # a comment
    return [helper(text) in WORDS for text in texts if np.size(text)]
class Cleaner:
    seen = []
    n_seen = 0
    table = {"a": 1}
    def __init__(self, C=1):
        self.C = C
    def transform(self, texts):
        self.seen.append(texts)
        type(self).n_seen += 1
        return clean(texts)
    @property
    def size(self):
        return 1
    @staticmethod
    def split(text):
        return text.split()
"""
SAME_CODE = {
    "nothing": ("", ""),
    "comment": ("# a comment", "# another comment"),
    "docstring": ("Clean texts.", "Clean some texts."),
    "place": ("import numpy", "\n\nimport numpy"),
    "use": (
        'asked, counts, n_calls = [], {"calls": 0}, 0',
        'asked, counts, n_calls = [3], {"calls": 7}, 2',
    ),
    "use of a class": ("seen = []\n    n_seen = 0", "seen = [1]\n    n_seen = 1"),
}
OTHER_CODE = {
    "constant": ("n_calls += 1", "n_calls += 2"),
    "helper": ("text.strip()", "text.lstrip()"),
    "global": ('"bus"}', '"tram"}'),
    "default": ("lower=True", "lower=False"),
    "method": ("return clean(texts)", "return clean(texts[:1])"),
    "attribute of a class": ('table = {"a": 1}', 'table = {"a": 2}'),
    "property": ("return 1", "return 2"),
    "static method": ("text.split()", "text.split(' ')"),
    "parameter": ("C=1", "C=2"),
}


@pytest.mark.parametrize("edit", SAME_CODE)
def test_code_that_does_the_same_is_the_same(edit):
    one, other = run(CELL), run(CELL.replace(*SAME_CODE[edit]))
    assert describe(one.clean) == describe(other.clean)
    assert describe(one.Cleaner) == describe(other.Cleaner)
    assert describe(one.Cleaner(3)) == describe(other.Cleaner(3))


@pytest.mark.parametrize("edit", OTHER_CODE)
def test_edited_code_differs(edit):
    one, other = run(CELL), run(CELL.replace(*OTHER_CODE[edit]))
    assert CELL.replace(*OTHER_CODE[edit]) != CELL
    assert describe(one.Cleaner) != describe(other.Cleaner)
    is_of_the_function = edit in {"constant", "helper", "global", "default"}
    assert (describe(one.clean) != describe(other.clean)) == is_of_the_function


def test_a_function_is_the_same_after_it_was_used():
    cell = run(CELL)
    before = describe(cell.clean), describe(cell.Cleaner(2))
    cell.Cleaner(2).transform(["a", "b"])
    copy.copy(cell.Cleaner(2))  # copyreg leaves a mark on the class
    assert (describe(cell.clean), describe(cell.Cleaner(2))) == before


CLIENT = """
class Client:
    n = 0
    def add(self, text): return "soup" in text
"""
HELPER = """
def helper(text): return "soup" in text
helper.calls = 0
"""
# Objects that are changed in one part, of which the others count.
ASKING = """
class Client:
    def __init__(self, prompt):
        self.prompt = prompt
        self.check(prompt)
        self.n_calls, self.usage = 0, {"tokens": 0, "words": {}}
        self.log: list = []
        self.last = None
    def check(self, prompt): pass
    def reset(self): self.n_calls = 0
    def ask(self, T):
        self.n_calls += 1
        self.usage["tokens"] += len(T)
        self.usage["words"][T] = self.n_calls
        self.note(T)
        return self.prompt + self.ending
    def note(self, T):
        self.last = T
        def write(): self.log.append(T)
        write()
    @property
    def ending(self):
        self.n_endings = self.n_endings + 1
        return "."
    n_endings = 0
"""
CHANGED_IN_PART = {
    "attribute": CLIENT + "client = Client()\ndef ask(T): client.last = T; return client.add",
    "count": CLIENT + "client = Client()\ndef ask(T): client.n = client.n + 1; return client.add",
    "count in place": CLIENT + "client = Client()\ndef ask(T): client.n += 1; return client.add",
    "class": CLIENT + "def ask(T): Client.n = Client.n + 1; return Client.add",
    "function": HELPER + "def ask(T): helper.calls = helper.calls + 1; return helper",
    "item": 'cfg = {"w": "soup", "n": 0}\ndef ask(T): cfg["n"] += 1; return cfg["w"]',
    "new item": 'cfg = {"w": "soup"}\ndef ask(T): cfg["last"] = T; return cfg["w"]',
    "deleted item": 'cfg = {"w": "soup", "n": 0}\ndef ask(T): del cfg["n"]; return cfg["w"]',
    "item of a list": 'state = [0, "soup"]\ndef ask(T): state[0] += 1; return state[1]',
    "log in a dict": 'cfg = {"w": "soup", "log": []}\ndef ask(T): cfg["log"].append(cfg["w"])',
    "cache in a dict": 'cfg = {"w": "soup", "known": {}}\ndef ask(T): cfg["known"][T] = cfg["w"]',
    "part of a part": """
class Space: pass
app = Space(); app.state = Space(); app.state.n = 0; app.word = "soup"
def ask(T): app.state.n += 1; return app.word
""",
    "closure": """
def make():
    cfg = {"w": "soup", "n": 0}
    def ask(T): cfg["n"] += 1; return cfg["w"]
    return ask
ask = make()
""",
    "slots": """
class Client:
    __slots__ = ("n", "prompt")
client = Client(); client.n, client.prompt = 0, "soup"
def ask(T): client.n += 1; return client.prompt
""",
    "item from the end": 'state = ["soup", 0]\ndef ask(T): state[-1] += 1; return state[0]',
    "class of a cache": """
class Cache(dict):
    def clean(self, text): return text.strip("soup")
cache = Cache()
def ask(T): cache[T] = 1; return cache.clean
""",
    "lists in a dict": """
word, found = "soup", {"a text": []}
def ask(T): found[T].append(1); return word
""",
    "result of a call": """
class Model:
    prompt = "soup"
    def ask(self, T):
        Space().prompt = T
        return self.prompt
class Space: pass
ask = Model().ask
""",
    "first argument of a partial": "from functools import partial\n"
    + ASKING
    + "ask = partial(Client.ask, Client('soup'))",
    "object of a method": ASKING + "ask = Client('soup').ask",
    "object that is called": ASKING.replace("def ask", "def __call__") + "ask = Client('soup')",
    "object whose method is called": ASKING
    + "client = Client('soup')\ndef ask(T): return client.ask(T)",
    "object in a closure": ASKING
    + """
def make(client):
    return lambda T: client.ask(T)
ask = make(Client("soup"))
""",
    "object of an object": ASKING
    + """
class Retrying:
    def __init__(self, client): self.client = client; self.n_tries = 0
    def ask(self, T): self.n_tries += 1; return self.client.ask(T)
ask = Retrying(Client("soup")).ask
""",
    "object of a subclass": ASKING
    + """
class Named(Client):
    total = 0
    def __init__(self, name):
        super().__init__(name)
        self.n = self.m = 0
    def ask(self, T):
        self.total += 1; self.n += 1; self.m = T
        return super().ask(T)
ask = Named("soup").ask
""",
    "object of a dataclass": """
from dataclasses import dataclass
@dataclass
class Client:
    prompt: str
    def __post_init__(self): self.n = 0
    def ask(self, T): self.n += 1; return self.prompt
ask = Client("soup").ask
""",
    "count of a class": """
class Client:
    total = 0
    def __init__(self, word): self.word = word
    def ask(self, T): self.__class__.total += 1; return self.word
ask = Client("soup").ask
""",
    "log of a class": """
class Client:
    log = []
    def __init__(self, word): self.word = word
    def ask(self, T): self.__class__.log.append(T); return self.word
ask = Client("soup").ask
""",
    "defaults": """
def ask(T, word="soup", asked=[], *, seen={}):
    asked.append(T); seen[T] = word
    return word
""",
    "object that is a default": ASKING + "def ask(T, client=Client('soup')): return client.ask(T)",
    "default in a closure": """
def ask(T, word="soup", asked=[]):
    def note(): asked.append(T)
    note()
    return word
""",
    "copy by a slice": 'words = ["soup"]\ndef ask(T): return words[:].pop(), words[0:1].pop()',
    "copy by a slice with a step": 'words = ["soup"]\ndef ask(T): return words[::-1].pop()',
    "copy by a slice that a variable holds": """
words, cut = ["soup"], slice(0, 1)
def ask(T): return words[cut].pop()
""",
    "item of a copy": 'words = ["soup"]\ndef ask(T): words[:][0] = T; return words[0]',
    "rows of a table": """
import pandas as pd
rows = pd.DataFrame({"cue": ["soup"]})
def ask(T): return rows[rows.cue != ""].pop("cue").iloc[0]
""",
    "lists by unknown keys": """
from collections import defaultdict
logs, word = defaultdict(list), "soup"
def ask(T): logs[T].append(T); return word
""",
    "lists of objects by unknown keys": """
from types import SimpleNamespace
clients, word = {"a text": SimpleNamespace(log=[])}, "soup"
def ask(T): clients[T].log.append(T); return word
""",
    "list in a slice": """
logs, word = [[], []], "soup"
def ask(T): logs[1:][0].append(T); return word
""",
    "slice of an array": """
import numpy as np
counts, word = np.zeros(3), "soup"
def ask(T): counts[1:][0] += 1; return word
""",
    "slice": 'log = []\nword = "soup"\ndef ask(T): log[:1] = [T]; return word',
    "method named as a list's": CLIENT + "client = Client()\ndef ask(T): return client.add(T)",
    "such a method of an attribute": CLIENT
    + """
class Model:
    client = Client()
    def ask(self, T): return self.client.add(T)
ask = Model().ask
""",
}


@pytest.mark.parametrize("case", CHANGED_IN_PART)
def test_what_is_changed_in_one_part_counts_by_the_others(case):
    source = CHANGED_IN_PART[case]
    cell, edited = run(source), run(source.replace("soup", "bread"))
    before = describe(cell.ask)
    assert describe(edited.ask) != before
    cell.ask("a text")
    assert describe(cell.ask) == before


SETTINGS = {
    "an argument": "self.word = word",
    "an argument by name": "self.word = by_name['style']",
    "one of two targets": "self.n, self.word = 0, word",
    "two targets": "self.word = self.n = word",
    "one of two values": "self.word = word or ''",
    "a value under a condition": "self.word = '' if word is None else word",
    "a statement under a condition": "if word == 'soup': self.word = 'soup'",
    "another attribute": "self.given = word; self.word = self.given",
    "another method": "self.word = ''; self.set(word)",
    "another method that fills": "self.word = []; self.add(word)",
    "another method that writes an item": "self.word = {}; self.put(word)",
    "the caller": "",
    "any name": "self.word = ''; [setattr(self, key, word) for key in ['word']]",
    "names of a dict": "self.word = ''; vars(self).update(word=word)",
    "a class method": "self.word = ''",
    "a copy": "self.word = ''",
}
METHODS = {
    "any name": "",
    "a class method": """
    @classmethod
    def of(cls, word):
        made = cls.__new__(cls)
        made.word = word
        return made
""",
    "a copy": """
    def with_word(self, other):
        new = copy.copy(self)
        new.word = other
        return new
""",
    "another method": "def set(self, word): self.word = word",
    "another method that fills": "def add(self, word): self.word.append(word)",
    "another method that writes an item": "def put(self, word): self.word['a'] = word",
}


@pytest.mark.parametrize("made_of", SETTINGS)
def test_a_setting_of_an_object_counts_even_if_a_method_changes_it(made_of):
    source = f"""
class Client:
    def __init__(self, word, **by_name):
        print(word)
        {SETTINGS[made_of]}
    {METHODS.get(made_of, "")}
    def ask(self, T):
        self.word = self.word[:100]
        return self.word
client = Client("soup", style="soup")
if {made_of == "a class method"}: client = Client.of("soup")
if {made_of == "a copy"}: client = client.with_word("soup")
if {made_of == "the caller"}: client.word = "soup"
ask = client.ask
"""
    words = '"soup"', '"bread"'
    keys = [describe(run(source.replace('"soup"', word), copy=copy).ask) for word in words]
    assert keys[0] != keys[1]


def test_an_attribute_that_one_object_sets_of_another_is_a_setting():
    client = run(
        """
class Client:
    n = 0
    def starting_at(self, number):
        new = type(self)()
        new.n = number
        return new
    def ask(self, T):
        self.n += 1
        return self.n
"""
    ).Client()
    assert describe(client.starting_at(1).ask) != describe(client.starting_at(2).ask)


def test_a_method_that_changes_another_object_hides_nothing_of_its_own():
    source = """
class Reply: pass
class Client:
    word = ""
    def ask(self, T):
        reply = Reply()
        reply.word = T
        return self.word
client = Client()
client.word = "soup"
ask = client.ask
"""
    assert describe(run(source).ask) != describe(run(source.replace("soup", "bread")).ask)


def test_describing_runs_no_code_of_the_user():
    source = """
class Client:
    @property
    def session(self):
        raise ConnectionError
client, found = Client(), defaultdict(list)
def ask(texts):
    client.session.update(texts)
    client.other.n += 1
    found["x"].append(1)
    for text in texts:
        found[text].append(1)
"""
    cell = run(source, defaultdict=defaultdict)
    assert describe(cell.ask) == describe(cell.ask)
    assert not cell.found


def test_describing_many_changes_is_fast():
    lines = "".join(f" c.n{i} = 1; c.big[0].append(1)\n" for i in range(2000))
    cell = run(f"class C: big = [[]]\nc = C()\ndef ask(texts):\n{lines}")
    n_calls = 0

    def count(frame, event, _):
        nonlocal n_calls
        n_calls += event == "call"

    sys.setprofile(count)
    try:
        describe(cell.ask)
    finally:
        sys.setprofile(None)
    assert n_calls < 1_000_000


@pytest.mark.parametrize(
    "change",
    [
        "reply.parts.append(1)",
        "reply.parts[0] = 1",
        "reply.parts = 1",
        "reply.a.parts = 1",
        "list(lambda: reply.parts.pop() for _ in texts)",
    ],
)
def test_what_happens_to_a_local_object_hides_nothing_of_a_class_or_module(change):
    source = f"""
class Ask:
    parts = VALUE
    def __call__(self, texts):
        reply = make(texts)
        {change}
        return reply, self.parts
def ask(texts):
    reply = make(texts)
    {change}
    return reply, settings.parts
"""
    keys = []
    for value in (1, 2):
        settings = types.ModuleType("settings_of_the_user")
        settings.parts = value
        cell = run(source, settings=settings, VALUE=value, make=len)
        keys.append((describe(cell.Ask), describe(cell.ask)))
    assert keys[0][0] != keys[1][0]
    assert keys[0][1] != keys[1][1]


def test_a_variable_of_a_function_hides_no_global_one_of_its_name():
    source = """
def ask(texts):
    def inner(text):
        rules = 1
        return lambda: rules
    return inner, rules
"""
    assert describe(run(source, rules="a").ask) != describe(run(source, rules="b").ask)


def test_a_parameter_that_shares_its_name_with_one_without_effect_counts():
    class FewShot(BaseEstimator):
        def __init__(self, memory=None, verbose=0):
            self.memory, self.verbose = memory, verbose

    same = FewShot(), FewShot(memory="cache", verbose=2), FewShot(joblib.Memory(None))
    assert len({*map(describe, same)}) == 1
    assert len({*map(describe, (FewShot(), FewShot(["soup"]), FewShot(["train"])))}) == 3


def test_a_pool_of_threads_is_the_same_before_and_after_use():
    with ThreadPoolExecutor(2) as pool:
        ask = run("def ask(texts): return [*pool.map(str, texts)]", pool=pool).ask
        before = describe(ask)
        assert ask([1, 2]) == ["1", "2"]
        assert describe(ask) == before


def test_what_a_thread_holds_counts_unless_the_code_puts_it_there():
    own = threading.local()
    own.p = 1
    source = "def ask():\n    own.client = object()\n    own.n += 1\n    return own.p"
    ask = run(source, own=own).ask
    own.n, keys = 0, []
    for value in (1, 1, 2):
        own.p = value
        keys.append(describe(ask))
        ask()
    assert keys[0] == keys[1] != keys[2]
    own.p = (number for number in (1, 2))
    with pytest.raises(
        TypeError, match=r"because _local\.p of the global 'own' of ask is an object"
    ):
        describe(ask)


def test_closures_and_lambdas_differ_by_content():
    def make(share, table):
        return lambda texts: [share, table[0]]

    assert describe(make(1, [2])) == describe(make(1, [2]))
    others = make(1, [2]), make(2, [2]), make(1, [3]), lambda texts: 1, lambda texts: 2
    assert len({*map(describe, others)}) == len(others)


def test_functions_that_call_each_other_end():
    cell = run("def f(n): return g(n)\ndef g(n): return f(n - 1)\nvalue = [f]\nvalue.append(value)")
    other = run("def f(n): return g(n)\ndef g(n): return f(n - 2)")
    assert describe(cell.f) != describe(other.f)
    assert describe(cell.value) == describe(cell.value)


@pytest.mark.parametrize("package", ["sklearn", "skdistill"])
def test_another_version_of_a_package_is_another_teacher(monkeypatch, package):
    class Own(BaseEstimator):
        def transform(self, X):
            from skdistill import make_tfidf_baseline

            return make_tfidf_baseline()

    teacher = make_pipeline(Own()) if package == "skdistill" else make_tfidf_baseline()
    before = describe(teacher)
    _owners._package_version.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules[package], "__version__", "99")
        assert describe(teacher) != before
    _owners._package_version.cache_clear()
    assert describe(teacher) == before


def densify(rows):
    return rows.toarray()


def make_neighbours(algorithm):
    return make_pipeline(
        TfidfVectorizer(),
        FunctionTransformer(densify),
        KNeighborsClassifier(2, algorithm=algorithm),
    )


@pytest.mark.parametrize(
    "teacher",
    [
        make_tfidf_baseline(),
        make_pipeline(TfidfVectorizer(), RandomForestClassifier(4, random_state=0)),
        make_neighbours("kd_tree"),
        make_neighbours("ball_tree"),
        VotingClassifier([("a", make_tfidf_baseline())], voting="soft"),
        StackingClassifier([("a", make_tfidf_baseline())], cv=2),
    ],
    ids=["linear", "forest", "kd_tree", "ball_tree", "voting", "stacking"],
)
def test_a_fitted_estimator_is_the_same_after_saving_and_use(tmp_path, teacher):
    teacher = clone(teacher).fit(X, Y)
    before = describe(FrozenEstimator(teacher))
    teacher.predict_proba(X)
    joblib.dump(teacher, tmp_path / "teacher.joblib")
    for other in (joblib.load(tmp_path / "teacher.joblib"), copy.deepcopy(teacher)):
        assert describe(FrozenEstimator(other)) == before
    other = clone(teacher).fit([*X, "a worse film"], [*Y, "neg"])
    assert describe(FrozenEstimator(other)) != before


def test_a_number_that_a_search_has_tried_is_the_one_that_is_typed():
    def key(*values):
        names = "logisticregression__C", "tfidfvectorizer__lowercase", "tfidfvectorizer__min_df"
        teacher = make_tfidf_baseline().set_params(**dict(zip(names, values, strict=True)))
        return describe(teacher, is_fitted=False)

    assert key(np.float64(0.1), np.bool_(True), np.int64(1)) == key(0.1, True, 1)
    assert len({key(0.1, True, 1), key(0.2, True, 1), key(np.float32(0.1), True, 1)}) == 3


def test_a_random_state_is_its_numbers_to_come():
    """Other files than pickles keep no seed sequence, from which `spawn` alone draws."""
    given, other = np.random.RandomState(0), np.random.RandomState()
    assert describe(other) != describe(given)
    other.set_state(given.get_state())
    assert describe(other) == describe(given)
    other.normal()  # which keeps a second number
    given.uniform(size=2)
    assert describe(other) != describe(given)


def test_what_has_no_content_is_named_in_a_short_error():
    with open(__file__) as file:
        cell = run("def clean(texts): return client.ask(texts)", client=file)
        teacher = make_pipeline(FunctionTransformer(cell.clean), *make_tfidf_baseline())
        with pytest.raises(TypeError) as error:
            describe(teacher)
    message = str(error.value)
    assert "because the global 'client' of clean of FunctionTransformer.func" in message
    assert "__skdistill_fingerprint__" in message
    assert len(message) < 500


def test_a_function_that_numpy_has_compiled_is_not_taken_for_another():
    with pytest.raises(TypeError, match=r"numpy\.ufunc, whose content is unknown"):
        describe(np.frompyfunc(lambda text: text.lower(), 1, 1))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda p: p.predict_proba,
        lambda p: functools.partial(len, p),
        lambda p: run("def ask(texts): return model.predict_proba(texts)", model=p).ask,
    ],
)
def test_what_an_estimator_has_learned_counts_where_it_is_not_fitted_again(wrap):
    one, same, other = (make_tfidf_baseline().fit(X, y) for y in (Y, Y, Y[::-1]))
    keys = [describe(wrap(teacher), is_fitted=False) for teacher in (one, same, other)]
    assert keys[0] == keys[1] != keys[2]


class Served:
    """An object that says what it is."""

    def __init__(self, name):
        self.name = name
        self.lock = open  # a builtin, which is named
        self.connection = (number for number in range(3))

    def __skdistill_fingerprint__(self, X, y, sample_weight):
        return self.name, X


def test_an_object_may_say_what_it_is():
    assert describe(Served("a")) == describe(Served("a")) != describe(Served("b"))
    cell = run("def f(): return client", client=Served("a"))
    before = describe(cell.f)
    cell.f.__globals__["client"] = Served("b")
    assert describe(cell.f) != before
    cell.f.__skdistill_fingerprint__ = lambda: "first"
    named = describe(cell.f)
    cell.f.__globals__["client"] = Served("c")
    assert describe(cell.f) == named != before


Topic = enum.Enum("Topic", ["FOOD", "TRAVEL", "SPORT", "HEALTH"])


def values_to_describe():
    cell, rows = run(CELL), (X, Y)
    return {
        "function": cell.clean,
        "class": cell.Cleaner,
        "object": cell.Cleaner(2),
        "counts": CountVectorizer(min_df=2).fit(*rows),
        "tf-idf": TfidfVectorizer(min_df=2).fit(*rows),
        "pipeline": make_tfidf_baseline().fit(*rows),
        "set": {"b", "a"},
        "members": frozenset(Topic),
        "dict": {1: "x", "y": 2},
    }


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from test_description import *
print({name: describe(value) for name, value in values_to_describe().items()})
"""


def test_members_of_an_enumeration_are_their_class_name_and_value():
    same = enum.Enum("Topic", ["FOOD", "TRAVEL", "SPORT", "HEALTH"])
    other = enum.Enum("Topic", [("FOOD", 1), ("TRAVEL", 3)])
    assert describe(same.FOOD) == describe(Topic.FOOD) != describe(Topic.TRAVEL)
    assert describe(other.TRAVEL) != describe(enum.Enum("Topic", ["FOOD", "TRAVEL"]).TRAVEL)


def test_hashes_are_the_same_in_all_processes():
    here = {name: describe(value) for name, value in values_to_describe().items()}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(Path(__file__).parent)],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert ast.literal_eval(done.stdout) == here
    assert describe(OrderedDict(a=1)) == describe(OrderedDict(a=1))


def test_arrays_of_other_kinds_are_described_by_content(tmp_path):
    values = np.arange(6.0)
    np.save(tmp_path / "values.npy", values)
    assert describe(np.load(tmp_path / "values.npy", mmap_mode="r")) == describe(values)
    masked = [np.ma.array(values, mask=values > limit) for limit in (2, 2, 3)]
    assert describe(masked[0]) == describe(masked[1]) != describe(masked[2])

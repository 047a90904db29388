"""Hashes of values by content: the same in every process, whatever the order of sets."""

import copyreg
import enum
import functools
import hashlib
import inspect
import os
import pickle
import sys
import threading
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import joblib
import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import Bunch

from skdistill.labelling._changes import Without, hidden_by_call
from skdistill.labelling._code import class_parts, function_parts, module_parts
from skdistill.labelling._owners import find_named, installed_name, installed_version
from skdistill.labelling._teacher import learns_nothing

# Parameters that do not change an estimator's predictions, and their types.
_WITHOUT_EFFECT: dict[str, tuple[type, ...]] = {
    "verbose": (bool, int, types.NoneType),
    "n_jobs": (int, types.NoneType),
    "memory": (str, os.PathLike, joblib.Memory, types.NoneType),
}
# NumPy's numbers that a search tries, and whose Python equals a user types afterwards.
_TRIED = (np.bool_, np.int64, np.float64)
# What a fitted search records of clock times and of what it did not choose.
_RECORDS = ("cv_results_", "refit_time_")
# Modules whose objects, such as locks and pools, have no content that changes an answer.
_WITHOUT_CONTENT = frozenset({"_thread", "concurrent", "threading", "logging", "queue"})
# The protocol's name: a method, of an object or a function, that returns what identifies it.
PROTOCOL = "__skdistill_fingerprint__"


def describe(value: Any, *, is_fitted: bool = True, by_code: bool = True) -> str:
    """Hash a value to 32 hexadecimal digits, such that equal hashes imply equal behaviour.

    Functions and classes count by their code, or by name and version if a package owns them; arrays
    by dtype, shape and content; estimators by parameters and fitted state; other objects by what
    pickle would store. The order of a dict counts, because a prompt may be built from it; identity
    and the order of attributes do not.

    Parameters
    ----------
    value : object
        The value. It may contain itself.
    is_fitted : bool, default=True
        Whether the fitted state of estimators counts, in addition to their parameters. It always
        does inside a `FrozenEstimator` and inside functions.
    by_code : bool, default=True
        Whether functions and classes count by their code. If False, by their name.

    Raises
    ------
    TypeError
        If a part of the value cannot be described. The message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from skdistill.labelling._description import describe
    >>> describe({"a", "b"}) == describe({"b", "a"})
    True
    >>> describe({"a": 1, "b": 2}) == describe({"b": 2, "a": 1})
    False
    >>> describe(np.eye(3)[:, :2]) == describe(np.asfortranarray(np.eye(3)[:, :2]))
    True
    >>> describe(lambda text: text.lower()) == describe(lambda text: text.upper())
    False
    """
    description = _Description(is_fitted, by_code)
    try:
        return description.digest(value).hex()
    except RecursionError:
        raise TypeError(
            f"The teacher cannot be identified for `memory`, because {description.place} is "
            f"nested too deeply. {_REMEDY}"
        ) from None


_REMEDY = (
    f"Give its class a method {PROTOCOL} that returns what its answers depend on (a "
    "FunctionTeacherClassifier takes version=), or pass memory=None."
)


class _Description:
    """A hash in progress."""

    def __init__(self, is_fitted: bool, by_code: bool):
        self._is_fitted = is_fitted
        self._by_code = by_code
        self._hash = hashlib.blake2b(digest_size=16)
        # Objects that are being described, by id, with their depth.
        self._open: dict[int, int] = {}
        # Digests of objects that occur again; the objects are kept, so that no id is used twice.
        self._known: dict[tuple[int, bool], tuple[Any, bytes]] = {}
        # Owners of parts that do not count, by id, with these parts.
        self._hidden: dict[int, tuple[Any, set[tuple[str, Any]]]] = {}
        self._path: list[str] = []

    @property
    def place(self) -> str:
        """Where in the value the part is that is being described."""
        return " of ".join(reversed(self._path[-3:])) or "it"

    def digest(self, value: Any) -> bytes:
        """Return the digest of one value."""
        before, self._hash = self._hash, hashlib.blake2b(digest_size=16)
        try:
            self.add(value)
            return self._hash.digest()
        finally:
            self._hash = before

    def add(self, value: Any) -> None:
        """Add a value to the hash."""
        kind = type(value)
        if kind is str or kind is np.str_:
            self._write("str", value.encode("utf-8", "surrogatepass"))
        elif value is None or value is ... or kind in (bool, int, float, complex):
            self._write(kind.__name__, repr(value).encode())
        elif kind in (bytes, bytearray):
            self._write("bytes", value)
        elif isinstance(value, np.ma.MaskedArray):
            self._add_array(np.ma.getdata(value))
            self._add_array(np.ma.getmaskarray(value))
        elif kind in (np.ndarray, np.memmap) or isinstance(value, np.generic):
            self._add_array(np.asarray(value))
        elif isinstance(value, enum.Enum):
            # Not as part of itself: members of a set come in another order in each process.
            self._add_all("member", (kind, value.name, value.value))
        elif kind is type and installed_name(value):
            self._add_all("class", installed_name(value))
        else:
            self._add_once(value)

    def _write(self, kind: str, content: bytes) -> None:
        self._hash.update(f"{kind} {len(content)} ".encode())
        self._hash.update(content)

    def _add_all(self, kind: str, values: Any) -> None:
        self._write(kind, b"%d" % len(values))
        for value in values:
            self.add(value)

    def _add_array(self, array: np.ndarray) -> None:
        if array.dtype.hasobject:
            self._write("objects", repr(array.shape).encode())
            for item in array.ravel().tolist():
                self.add(item)
            return
        if array.dtype.names is not None:  # by field, without the bytes between fields
            self._add_all("fields", [(name, array[name]) for name in array.dtype.names])
            return
        # A compressed joblib file keeps the values, but not the order of bytes.
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        self._write("array", f"{array.dtype.descr} {array.shape}".encode())
        self._hash.update(np.ascontiguousarray(array).view(np.uint8).data if array.size else b"")

    def _add_once(self, value: Any) -> None:
        """Add a value that may contain itself, or occur several times."""
        key = id(value), self._is_fitted
        if id(value) in self._open:
            self._write("inside", b"%d" % self._open[id(value)])
            return
        if key not in self._known:
            self._open[id(value)] = len(self._open)
            try:
                self._known[key] = value, self._digest_with(value)
            finally:
                del self._open[id(value)]
        self._hash.update(self._known[key][1])

    def _digest_with(self, value: Any) -> bytes:
        before, self._hash = self._hash, hashlib.blake2b(digest_size=16)
        try:
            self._add_compound(value)
            return self._hash.digest()
        finally:
            self._hash = before

    def _add_compound(self, value: Any) -> None:
        if type(value) is Without:
            self._hide(value.hidden)
            self.add(value.value)
        elif type(value) in (list, tuple):
            shown = [part for place, part in enumerate(value) if self._counts(value, "item", place)]
            self._add_all(type(value).__name__, shown)
        elif type(value) in (dict, types.MappingProxyType, Bunch):
            self._add_dict(value)
        elif type(value) in (set, frozenset):
            self._add_all("set", sorted(map(self.digest, value)))
        elif isinstance(value, FrozenEstimator):
            with self._inside(type(value).__name__, is_fitted=True):
                self.add(value.estimator)
        elif not isinstance(value, type) and callable(getattr(value, PROTOCOL, None)):
            with self._inside(_name(value), is_fitted=learns_nothing(value) or None):
                self._add_protocol(value)
        elif isinstance(value, BaseEstimator):
            self._add_estimator(value)
        elif isinstance(value, types.ModuleType):
            *parts, variables = module_parts(value)
            self._add_all("module", parts)
            self._add_attributes(value, variables)
        elif isinstance(value, types.FunctionType | type):
            self._add_code(value)
        else:
            self._add_object(value)

    def _hide(self, parts: Iterable[tuple[Any, tuple[str, Any]]]) -> None:
        for owner, part in parts:
            self._hidden.setdefault(id(owner), (owner, set()))[1].add(part)

    def _counts(self, owner: Any, kind: str, name: Any) -> bool:
        """Return whether an attribute or item counts, because the code does not change it."""
        return id(owner) not in self._hidden or (kind, name) not in self._hidden[id(owner)][1]

    def _add_dict(self, value: Any) -> None:
        shown = {key: part for key, part in value.items() if self._counts(value, "item", key)}
        self._write("dict", b"%d" % len(shown))
        for key, part in shown.items():
            self.add(key)
            self.add(part)

    def _add_protocol(self, value: Any) -> None:
        is_function = isinstance(value, types.FunctionType)
        identify: Callable[..., Any] = getattr(value, PROTOCOL)
        self._write("fingerprint", _name(value).encode())
        self.add(identify() if is_function else identify(None, None, None))

    def _add_estimator(self, value: BaseEstimator) -> None:
        if self._is_fitted:
            state = dict(value.__getstate__())
            state.pop("_stop_words_id", None)  # a memory address, in vectorizers
            is_search = isinstance(value, BaseSearchCV)
            for name in _RECORDS if is_search else getattr(value, "_records", ()):
                state.pop(name, None)
            if "_fit_X" in state:  # the search tree of nearest neighbours counts its calls
                state.pop("_tree", None)
        else:
            state = {
                name: part.item() if type(part) in _TRIED else part
                for name, part in value.get_params(deep=False).items()
            }
        self.add(type(value))
        # A parameter of such a name but of another type means something else.
        changing = {k: v for k, v in state.items() if not isinstance(v, _WITHOUT_EFFECT.get(k, ()))}
        self._add_attributes(value, changing)

    def _add_attributes(self, value: Any, state: dict[str, Any]) -> None:
        shown = sorted(name for name in state if self._counts(value, "attribute", name))
        self._write("state", b"%d" % len(shown))
        for name in shown:
            self.add(name)
            with self._inside(f"{_name(value)}.{name}"):
                self.add(state[name])

    def _add_code(self, value: Any) -> None:
        named = installed_name(value)
        if named is not None or not self._by_code:
            self._add_all("code", named or (_name(value),))
            return
        is_class = isinstance(value, type)
        self._write("code", b"class" if is_class else b"function")
        parts = class_parts(value) if is_class else function_parts(value)
        for kind, part in parts.items():
            values = part if isinstance(part, dict) else {"": part}
            if kind == "entry":
                values = {k: v for k, v in values.items() if self._counts(value, "attribute", k)}
            self._write(kind, b"%d" % len(values))
            for name in sorted(values):
                self.add(name)
                label = f"the {kind} {name!r}" if name else f"the {kind}"
                with self._inside(f"{label} of {_name(value)}", is_fitted=True):
                    self.add(values[name])

    def _add_object(self, value: Any) -> None:
        kind = type(value)
        if isinstance(value, threading.local):  # what it holds in this thread
            self.add(kind)
            self._add_attributes(value, vars(value))
        elif kind.__module__.partition(".")[0] in _WITHOUT_CONTENT:
            self._write("type", _name(kind).encode())
        elif _is_tensor(value):
            tensor = value.detach().cpu().contiguous()
            self._write("tensor", f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            self._hash.update(_tensor_bytes(tensor))
        elif sparse.issparse(value):
            rows = sparse.csr_array(value, copy=True)
            rows.sort_indices()
            indices = rows.indices.astype(np.int64), rows.indptr.astype(np.int64)
            self._add_all("sparse", (value.format, value.shape, rows.data, *indices))
        elif isinstance(value, np.random.RandomState):
            # Pickles also contain the seed of generators made from it, which skops does not keep.
            self._add_all("random state", value.get_state())
        elif isinstance(value, np.dtype):
            self._write("dtype", repr(value.descr).encode())
        elif kind in _WRAPPERS:
            self._hide(_hidden_by(value))
            with self._inside(f"a {kind.__name__}", is_fitted=True):
                self._add_all(kind.__name__, [getattr(value, name) for name in _WRAPPERS[kind]])
        else:
            self._add_reduced(value)

    def _add_reduced(self, value: Any) -> None:
        """Add an object by what pickle stores of it."""
        self._hide(hidden_by_call(value, "__call__"))
        reduce = copyreg.dispatch_table.get(type(value))
        try:
            reduced = value.__reduce_ex__(4) if reduce is None else reduce(value)
        except Exception as error:
            raise TypeError(self._complaint(value, error)) from None
        if isinstance(reduced, str):
            module = pickle.whichmodule(value, reduced)  # type: ignore[attr-defined]
            if find_named(module, reduced) is not value:
                raise TypeError(self._complaint(value, f"{module}.{reduced} is another object"))
            self._add_all("global", (module, reduced, installed_version(module) or ""))
            return
        constructor, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        self._write("object", b"")
        self.add(constructor)
        with self._inside(f"a {type(value).__name__} object", is_fitted=True):
            self.add(arguments)
            if type(state) is tuple and len(state) == 2 and isinstance(state[1], dict):
                state = (state[0] or {}) | state[1]  # attributes and slots
            if state is None or isinstance(state, dict):
                state = state or {}  # None, until an object has its first attribute
                self._add_attributes(value, {str(k): v for k, v in state.items()})
            else:
                self.add(state)
            self.add(None if items is None else [*items])
            self.add(None if pairs is None else dict(pairs))

    def _complaint(self, value: Any, error: object) -> str:
        kind = type(value)
        name = f"{kind.__module__}.{kind.__qualname__}"
        reason = str(error).partition("\n")[0][:100]
        return (
            f"The teacher cannot be identified for `memory`, because {self.place} is an object of "
            f"type {name}, whose content is unknown ({reason}). {_REMEDY}"
        )

    @contextmanager
    def _inside(self, label: str, *, is_fitted: bool | None = None) -> Iterator[None]:
        """Describe a part of something, which error messages name."""
        before = self._is_fitted
        self._path.append(label)
        if is_fitted is not None:
            self._is_fitted = is_fitted
        yield
        # After an error the path is kept, because the message names it.
        self._path.pop()
        self._is_fitted = before


# Objects that pickle refuses, such as those around functions and in annotations, and their parts.
_WRAPPERS: dict[type, tuple[str, ...]] = {
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    property: ("fget", "fset", "fdel"),
    functools.cached_property: ("func",),
    functools.partial: ("func", "args", "keywords"),
    functools.partialmethod: ("func", "args", "keywords"),
    types.MethodType: ("__self__", "__func__"),
    np.vectorize: ("pyfunc", "otypes", "signature", "excluded"),
    functools.lru_cache(lambda: None).__class__: ("__wrapped__",),
    typing.ForwardRef: ("__forward_arg__",),
    typing.NewType: ("__name__", "__supertype__"),
    typing.TypeVar: ("__name__", "__bound__", "__constraints__"),
}


def _hidden_by(value: Any) -> list[tuple[Any, tuple[str, Any]]]:
    """Return what a method changes of its object, which may be the argument of a partial."""
    if isinstance(value, types.MethodType):
        return hidden_by_call(value.__self__, value.__name__)
    if not isinstance(value, functools.partial) or not value.args:
        return []
    owner, name = value.args[0], getattr(value.func, "__name__", "")
    is_method = inspect.getattr_static(type(owner), name, None) is value.func
    return hidden_by_call(owner, name) if is_method else []


def _name(value: Any) -> str:
    if isinstance(value, types.ModuleType):
        return value.__name__
    return str(getattr(value, "__qualname__", type(value).__qualname__)).replace("<locals>.", "")


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def _tensor_bytes(tensor: Any) -> bytes:
    import torch

    return tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""

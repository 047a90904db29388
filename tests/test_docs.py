"""The documentation: docstrings keep numpydoc's rules, the API page is complete, code runs."""

import inspect

import pytest
from numpydoc.validate import validate

import skdistill

# Codes of numpydoc that are let pass, and why.
ALLOWED = {
    "ES01": "a summary may say it all",
    "GL01": "a text may start beside the quotes, as in scikit-learn",
    "GL02": "a text that a decorator completes has no closing quotes",
    "RT02": "results have names, as in scikit-learn",
}
ALLOWED_FOR_METHODS = {
    "EX01": "the class has an example",
    "SA01": "the class says what to see",
}
ALLOWED_FOR_EXCEPTIONS = ALLOWED_FOR_METHODS


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
    for name in skdistill._EXPORTS:
        yield name, set(ALLOWED)
        value = getattr(skdistill, name)
        if inspect.isclass(value):
            for member in own_members(value):
                yield f"{name}.{member}", ALLOWED.keys() | ALLOWED_FOR_METHODS


@pytest.mark.parametrize(
    ("name", "allowed"), [pytest.param(*case, id=case[0]) for case in documented_objects()]
)
def test_docstrings_keep_the_rules_of_numpydoc(name, allowed):
    if name in skdistill._EXPORTS and inspect.isclass(value := getattr(skdistill, name)):
        allowed = allowed | (
            ALLOWED_FOR_EXCEPTIONS.keys() if issubclass(value, Exception) else set()
        )
    errors = validate(f"skdistill.{name}")["errors"]
    assert not [error for error in errors if error[0] not in allowed]

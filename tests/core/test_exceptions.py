"""Tests of `skdistill._core.exceptions`."""

import threading
import types
import warnings

import pytest

from skdistill._core.exceptions import warn


def called_from(module, function):
    """Return a function of a module that calls another function."""
    namespace = {"__name__": module, "call": function}
    exec("def through(*args):\n    return call(*args)", namespace)
    return namespace["through"]


LIBRARIES = ["contextlib", "joblib.parallel", "skdistill", "skdistill.labelling", "sklearn.base"]


@pytest.mark.parametrize("depth", [0, 1, 3, 5])
def test_a_warning_names_the_users_line_through_any_number_of_library_calls(depth):
    def user():
        call = warn
        for library in LIBRARIES[:depth]:
            call = called_from(library, call)
        call("odd")

    with pytest.warns(UserWarning, match="^odd$") as caught:
        user()
    assert caught[0].filename == __file__
    assert caught[0].lineno == user.__code__.co_firstlineno + 4


def test_a_package_whose_name_only_begins_like_a_library_is_the_users():
    with pytest.warns(UserWarning, match="odd") as caught:
        called_from("sklearnish", warn)("odd")
    assert caught[0].filename == "<string>"


def test_a_call_without_a_user_names_the_outermost_line():
    namespace = {"__name__": "skdistill", "warn": warn}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        thread = threading.Thread(
            target=types.FunctionType(compile("warn('odd')", "inner", "exec"), namespace)
        )
        thread.start()
        thread.join()
    assert caught[0].filename.endswith("threading.py")


def test_the_category_and_a_ready_warning_are_kept():
    with pytest.warns(RuntimeWarning, match="slow"):
        warn("slow", RuntimeWarning)
    with pytest.warns(FutureWarning, match="gone"):
        warn(FutureWarning("gone"))


def test_pythons_filters_apply_to_the_users_line_and_module():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            called_from("skdistill", warn)("shown once for each line")
        warn("shown once for each line")
    assert len(caught) == 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.filterwarnings("ignore", module=__name__)
        warn("odd")
    assert not caught


def test_with_once_a_message_is_shown_once_for_each_line_whatever_the_filters():
    with warnings.catch_warnings(record=True) as caught:
        for message in ["first", "second", "first"]:
            warnings.simplefilter("always")
            warn(message, once=True)
        warn("first", once=True)
    assert [str(warning.message) for warning in caught] == ["first", "second", "first"]


def test_a_message_that_was_an_error_is_shown_again():
    for _ in range(2):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(UserWarning, match="odd"):
                warn("odd", once=True)

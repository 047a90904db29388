"""What bytecode changes, also in the forms of other versions of Python."""

from types import SimpleNamespace

import pytest

from skdistill.labelling._changes import Change, changes_in


def step(opname, argval, column):
    place = SimpleNamespace(lineno=1, col_offset=column)
    return SimpleNamespace(opname=opname, argval=argval, argrepr="", positions=place)


@pytest.mark.parametrize("load", ["LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"])
def test_two_variables_that_one_instruction_loads_are_told_apart(load):
    attribute = [step(load, ("value", "self"), 9), step("STORE_ATTR", "n", 0)]  # self.n = value
    assert [*changes_in(attribute)] == [Change("local", "self", (("attribute", "n"),))]
    item = [step(load, ("seen", "key"), 0), step("STORE_SUBSCR", None, 0)]  # seen[key] = ...
    ((kind, name, steps),) = [(each.kind, each.name, each.steps) for each in changes_in(item)]
    assert (kind, name, len(steps)) == ("local", "seen", 1)
    assert steps[0][0] == "item"


def test_an_attribute_of_a_constant_is_none_of_a_variable():
    constant = [step("LOAD_CONST", ("value", "self"), 9), step("STORE_ATTR", "n", 0)]
    assert [*changes_in(constant)] == []

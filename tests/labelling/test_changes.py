"""What bytecode changes, also in the forms of other versions of Python."""

from types import SimpleNamespace

import pytest

from skdistill.labelling._changes import Change, changes_in, instructions_of


def step(opname, argval, column):
    place = SimpleNamespace(lineno=1, col_offset=column)
    return SimpleNamespace(opname=opname, argval=argval, argrepr="", positions=place)


def test_the_parts_of_long_arguments_are_no_instructions():
    code = compile("".join(f"counts['{n}'] = 1\n" for n in range(300)), "<cell>", "exec")
    steps = [*instructions_of(code)]
    assert "EXTENDED_ARG" not in {step.opname for step in steps}
    assert [change.steps for change in changes_in(steps)] == [
        (("item", str(n)),) for n in range(300)
    ]


@pytest.mark.parametrize("load", ["LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW"])
def test_two_variables_that_one_instruction_loads_are_told_apart(load):
    attribute = [step(load, ("value", "self"), 9), step("STORE_ATTR", "n", 0)]  # self.n = value
    assert [*changes_in(attribute)] == [Change("local", "self", (("attribute", "n"),))]
    item = [step(load, ("seen", "key"), 0), step("STORE_SUBSCR", None, 0)]  # seen[key] = ...
    ((kind, name, steps),) = [(each.kind, each.name, each.steps) for each in changes_in(item)]
    assert (kind, name, len(steps)) == ("local", "seen", 1)
    assert steps[0][0] == "item"


def test_a_part_of_a_slice_may_be_changed_but_the_slice_is_a_copy():
    path = [step("LOAD_NAME", "logs", 0), step("LOAD_CONST", slice(1, None), 5)]
    path.append(step("BINARY_SUBSCR", None, 0))
    assert [*changes_in([*path, step("LOAD_ATTR", "append", 0)])] == []
    path += [step("LOAD_CONST", 0, 8), step("BINARY_SUBSCR", None, 0)]
    (change,) = changes_in([*path, step("LOAD_ATTR", "append", 0)])  # logs[1:][0].append(...)
    assert (change.name, len(change.steps), change.by_method) == ("logs", 2, True)


def test_without_columns_nothing_of_a_line_is_taken_for_changed():
    # counts[settings["key"]] = 1, under python -X no_debug_ranges
    loads = [step("LOAD_GLOBAL", "counts", None), step("LOAD_GLOBAL", "settings", None)]
    item = [step("LOAD_CONST", "key", None), step("BINARY_SUBSCR", None, None)]
    assert [*changes_in([*loads, *item, step("STORE_SUBSCR", None, None)])] == []
    assert [*changes_in([step("STORE_GLOBAL", "n", None)])] == [Change("variable", "n")]


def test_an_attribute_of_a_constant_is_none_of_a_variable():
    constant = [step("LOAD_CONST", ("value", "self"), 9), step("STORE_ATTR", "n", 0)]
    assert [*changes_in(constant)] == []

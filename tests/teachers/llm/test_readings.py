import math
import random

import numpy as np
import pytest

from skdistill.teachers.llm._prompt import Prompt
from skdistill.teachers.llm._readings import (
    NoLogprobsError,
    UnusableAnswerError,
    read_logprobs,
    read_written,
)

THREE = Prompt(("sad", "glad", "angry"))


def place(shares, token="x"):
    top = [{"token": name, "logprob": math.log(share)} for name, share in shares]
    return {"token": token, "logprob": -1.0, "top_logprobs": top}


def choice(*places, content="x"):
    return {"message": {"content": content}, "logprobs": {"content": [*places]}}


def test_probabilities_are_those_of_the_keys_in_any_order():
    shares = [("A", 0.5), ("B", 0.3), ("C", 0.1), ("The", 0.05)]
    proba, bound = read_logprobs(choice(place(shares)), THREE)
    np.testing.assert_allclose(proba, np.array([5, 3, 1]) / 9)
    assert bound == 0
    random.Random(1).shuffle(shares)
    np.testing.assert_allclose(read_logprobs(choice(place(shares)), THREE)[0], proba)


def test_forms_of_a_key_count_together():
    shares = [("A", 0.2), (" A", 0.1), ("ĠB", 0.2), ("▁b", 0.1), ('"C', 0.3), ("Cat", 0.1)]
    proba, _ = read_logprobs(choice(place(shares)), THREE)
    np.testing.assert_allclose(proba, 1 / 3)


def test_cases_differ_if_both_are_keys():
    prompt = Prompt(tuple(map(str, range(100, 130))))  # A to Z, a to d
    proba, _ = read_logprobs(choice(place([("a", 0.75), ("A", 0.25)])), prompt)
    assert proba.argmax() == 26
    assert proba[0] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("shares", "missing"),
    [
        ([("A", 0.6), ("B", 0.3), ("the", 0.02)], 0.02),  # no more than the least of the tokens
        ([("A", 0.6), ("B", 0.37), ("the", 0.02)], 0.01),  # no more than what is left
        ([("A", 0.6), ("B", 0.4)], 0.0),
    ],
)
def test_a_missing_label_gets_its_bound(shares, missing):
    proba, bound = read_logprobs(choice(place(shares)), THREE)
    known = shares[0][1] + shares[1][1]
    np.testing.assert_allclose(proba[2], missing / (known + missing), atol=1e-9)
    assert bound == pytest.approx(proba[2])
    assert proba.sum() == pytest.approx(1)


def test_several_missing_labels_share_what_is_left():
    proba, bound = read_logprobs(choice(place([("A", 0.9)])), THREE)
    np.testing.assert_allclose(proba, [0.9, 0.05, 0.05])
    assert bound == pytest.approx(0.1)


def test_blank_tokens_come_before_the_first():
    proba, _ = read_logprobs(choice(place([("A", 0.9)], token="\n"), place([("B", 1.0)])), THREE)
    assert proba.argmax() == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"logprobs": None},
        {},
        choice(),
        choice({"token": "A", "logprob": 0.0, "top_logprobs": []}),
    ],
)
def test_logprobs_may_be_missing(answer):
    with pytest.raises(NoLogprobsError, match="no logprobs"):
        read_logprobs(answer, THREE)


def test_an_answer_that_ends_at_once_still_has_its_logprobs():
    """llama.cpp sends the end as an empty token, if the model happens to choose it."""
    ended = place([("A", 0.6), ("", 0.3), ("B", 0.1)], token="")
    proba, _ = read_logprobs(choice(ended, content=""), Prompt(("ham", "spam")))
    np.testing.assert_allclose(proba, [6 / 7, 1 / 7])
    with pytest.raises(UnusableAnswerError, match="'' is none of the labels"):
        read_logprobs(choice(place([("", 0.95), ("A", 0.05)], token=""), content=""), THREE)


@pytest.mark.parametrize("shares", [[("I", 0.9)], [("I", 0.94), ("A", 0.05)]])
def test_another_answer_is_not_guessed_at(shares):
    with pytest.raises(UnusableAnswerError, match="'I think' is none of the labels"):
        read_logprobs(choice(place(shares), content="I think"), THREE)


@pytest.mark.parametrize(
    "content",
    ["B", " b.", "**B**", "glad", "Glad", "B: glad", '{"label": "B"}', '{"label": "glad"}', '"B"'],
)
def test_one_label_may_be_written_in_several_ways(content):
    row = read_written({"message": {"content": content}}, "samples", THREE)
    np.testing.assert_array_equal(row, [0, 1, 0])


@pytest.mark.parametrize(
    "content",
    ["", "happy", "B: angry", "glad or sad", '{"label": "happy"}', '{"label": "B', "[1]", "{}",
     '{"label": null}', '{"label": 2}', "not B", "D"],
)  # fmt: skip
def test_anything_else_is_unusable(content):
    for method in ("samples", "candidates"):
        with pytest.raises(UnusableAnswerError, match="is none of the labels"):
            read_written({"message": {"content": content}}, method, THREE)


def test_an_answer_without_content_is_unusable():
    with pytest.raises(UnusableAnswerError):
        read_written({"message": {"content": None, "refusal": "no"}}, "samples", THREE)
    with pytest.raises(UnusableAnswerError):
        read_written({}, "samples", THREE)


def test_a_long_answer_is_cut_in_the_message():
    with pytest.raises(UnusableAnswerError) as error:
        read_written({"message": {"content": "x" * 500}}, "samples", THREE)
    assert len(str(error.value)) < 100


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"finish_reason": "length"}, ", and was cut off$"),
        ({"finish_reason": "stop"}, "labels$"),
        ({"message": {"content": "", "reasoning_content": "Let me see"}}, ", after thoughts$"),
        (
            {"message": {"content": None, "reasoning": "Hm"}, "finish_reason": "length"},
            "'' is none of the labels, and was cut off, after thoughts$",
        ),
    ],
)
def test_the_message_says_whether_an_answer_is_complete(fields, reason):
    with pytest.raises(UnusableAnswerError, match=reason):
        read_written({"message": {"content": '{ "label'}} | fields, "samples", THREE)


@pytest.mark.parametrize(
    "content", ["A, C", "C\nA", "sad; angry", '{"labels": ["A", "C", "A"]}', '["A", "C"]']
)
def test_candidates_share_the_probability(content):
    row = read_written({"message": {"content": content}}, "candidates", THREE)
    np.testing.assert_array_equal(row, [0.5, 0, 0.5])
    with pytest.raises(UnusableAnswerError, match="is several labels, not one"):
        read_written({"message": {"content": content}}, "samples", THREE)


def test_a_label_may_contain_a_comma():
    prompt = Prompt(("sad, tired", "glad"))
    row = read_written({"message": {"content": "sad, tired"}}, "candidates", prompt)
    np.testing.assert_array_equal(row, [1, 0])


def test_labels_that_differ_in_case_are_told_apart():
    prompt = Prompt(("Polish", "polish"))
    for number, content in enumerate(("Polish", "polish")):
        assert read_written({"message": {"content": content}}, "samples", prompt)[number] == 1
    with pytest.raises(UnusableAnswerError):
        read_written({"message": {"content": "POLISH"}}, "samples", prompt)

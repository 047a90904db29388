import pytest

from skdistill.teachers.llm._prompt import Prompt


def test_a_prompt_has_instructions_labels_examples_and_the_text():
    prompt = Prompt(("ham", "spam"), "Sort e-mails.", (("Win!", 1),))
    system, question, answer, user = prompt.messages("Hello")
    assert system["content"].startswith("Sort e-mails.\n\nLabels:\nA: ham\nB: spam\n\nAnswer with")
    assert question == {"role": "user", "content": "Text: Win!\nLabel:"}
    assert answer == {"role": "assistant", "content": "B"}
    assert user == {"role": "user", "content": "Text: Hello\nLabel:"}


def test_candidates_are_asked_for_in_other_words():
    prompt = Prompt(("ham", "spam"))
    assert "all" not in prompt.messages("")[0]["content"]
    system, user = prompt.messages("Hello", several=True)
    assert "each label that plausibly fits" in system["content"]
    assert user["content"].endswith("\nLabels:")


@pytest.mark.parametrize(
    ("labels", "keys", "noun"),
    [
        (["yes", "no"], "AB", "letter"),
        (["3", "1"], "31", "character"),
        (["b", "A"], "bA", "letter"),
        ([f"class {i}" for i in range(53)], "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0",
         "character"),
    ],
)  # fmt: skip
def test_each_label_has_a_character(labels, keys, noun):
    prompt = Prompt(tuple(labels))
    assert "".join(prompt.keys) == keys
    assert prompt.has_single_tokens
    assert f"the {noun} of the label" in prompt.messages("")[0]["content"]


def test_many_labels_have_numbers():
    prompt = Prompt(tuple(f"class {i}" for i in range(63)))
    assert prompt.keys[:2] + prompt.keys[-1:] == ["1", "2", "63"]
    assert not prompt.has_single_tokens
    assert "the number of the label" in prompt.messages("")[0]["content"]


@pytest.mark.parametrize("label", [" ", "two\nlines"])
def test_a_label_is_one_visible_line(label):
    with pytest.raises(ValueError, match="is blank, or has several lines"):
        Prompt(("ham", label))


def test_the_schema_allows_keys_only():
    prompt = Prompt(("ham", "spam"))
    one = prompt.response_format()["json_schema"]["schema"]
    assert one["properties"] == {"label": {"type": "string", "enum": ["A", "B"]}}
    several = prompt.response_format(several=True)["json_schema"]["schema"]
    assert several["properties"]["labels"]["items"]["enum"] == ["A", "B"]

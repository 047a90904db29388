import numpy as np
import pytest

from chat_server import ChatServer, error, text_of
from skdistill.teachers.llm._budget import Budget
from skdistill.teachers.llm._client import ChatClient, RejectedError
from skdistill.teachers.llm._prompt import Prompt
from skdistill.teachers.llm._questions import Abilities, Questioner, make_body

PROMPT = Prompt(("sad", "glad", "angry"))


def answer(text):
    return {"A": 0.5, "B": 0.3, "C": 0.2}


class Asker:
    """A questioner, what it has kept, and its server."""

    def __init__(self, method, *troubles, n_samples=4, prompt=PROMPT, **options):
        self.kept = []
        self.server = ChatServer(options.pop("answer", answer), *troubles, **options)
        self.method, self.n_samples, self.prompt = method, n_samples, prompt

    def __enter__(self):
        self.server.__enter__()
        self.client = ChatClient("m", base_url=self.server.url, timeout=5, max_retries=0)
        self.questioner = Questioner(
            self.client, self.prompt, self.method, self.n_samples, Budget(None, None), self.keep
        )
        return self

    def __exit__(self, *details):
        self.client.__exit__(*details)
        self.server.__exit__(*details)

    def keep(self, digest, row, method):
        self.kept.append((digest, row, method))

    def ask(self, text="a text", row=None):
        return self.questioner.ask(text, b"1" * 16, np.zeros(5) if row is None else row)


def refusing(*names, status=400):
    """Refuse requests with a field, as a server does that does not know it."""

    def trouble(number, body, given):
        wrong = [name for name in names if name in body]
        return error(status, f"Unsupported parameter: '{wrong[0]}'") if wrong else given

    return trouble


def test_logprobs_are_kept_with_their_tokens():
    with Asker("logprobs") as asker:
        asked = asker.ask()
        np.testing.assert_allclose(asked.row[:3], [0.5, 0.3, 0.2])
        assert asked.row[3] > 10
        assert asked.row[4] == 1
        ((digest, row, method),) = asker.kept
    assert (digest, method) == (b"1" * 16, "logprobs")
    np.testing.assert_array_equal(row, asked.row)
    (body,) = asker.server.bodies
    assert body["logprobs"] is True
    assert (body["top_logprobs"], body["max_tokens"]) == (20, 4)
    assert "response_format" not in body


def test_samples_come_in_one_request():
    with Asker("samples") as asker:
        asked = asker.ask()
        assert asked.row[:3].sum() == 4
    (body,) = asker.server.bodies
    assert (body["n"], body["temperature"], body["top_p"]) == (4, 1, 1)
    assert body["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize("options", [{"has_n": False}, {}])
def test_a_server_of_one_answer_is_asked_for_each_sample(options):
    troubles = () if options else (refusing("n"),)
    with Asker("samples", *troubles, **options) as asker:
        assert asker.ask().row[:3].sum() == 4
        n_first = asker.server.n_requests
        assert n_first == (4 if options else 5)
        assert len(asker.kept) == 4  # each is on disk before the next is asked for
        assert asker.ask().row[:3].sum() == 4
        assert asker.server.n_requests == n_first + 4
        assert ["n" in body for body in asker.server.bodies].count(True) == 1


def test_a_server_may_give_fewer_answers_at_once():
    """llama.cpp gives as many as it has slots."""

    def trouble(number, body, given):
        if (n := body.get("n", 1)) > 2:
            return error(400, f"Field 'n': Value must be between 1 <= value <= 2, but got {n}")
        return given

    with Asker("samples", trouble) as asker:
        assert asker.ask().row[:3].sum() == 4
        assert asker.server.n_requests == 5


def test_only_missing_samples_are_asked_for():
    with Asker("samples") as asker:
        asked = asker.ask(row=np.array([3.0, 0, 0, 9, 9]))
    assert asked.row[:3].sum() == 4
    assert "n" not in asker.server.bodies[0]


def test_candidates_are_all_plausible_labels():
    with Asker("candidates") as asker:
        np.testing.assert_allclose(asker.ask().row[:3], 1 / 3)
    assert asker.server.bodies[0]["temperature"] == 0


def test_auto_takes_logprobs_and_counts_its_first_answer():
    with Asker("auto") as asker:
        asker.ask()
        assert asker.questioner.method == "logprobs"
        assert asker.server.n_requests == 1


@pytest.mark.parametrize(
    ("troubles", "options", "n_requests"),
    [
        ((), {"has_logprobs": False}, 2),  # dropped without a word
        ((refusing("logprobs"),), {}, 2),
    ],
)
def test_auto_notices_that_there_are_no_logprobs(caplog, troubles, options, n_requests):
    caplog.set_level("INFO", "skdistill")
    with Asker("auto", *troubles, **options) as asker:
        asked = asker.ask()
        assert asked.row[:3].sum() == 4
        assert asker.questioner.method == "samples"
        assert asker.server.n_requests == n_requests
    assert {method for *_, method in asker.kept} == {"samples"}
    assert "no logprobs, so method='samples'" in caplog.text


def test_one_answer_without_logprobs_is_unusable():
    def trouble(number, body, given):
        if text_of(body) == "silent":
            given["choices"][0] |= {"logprobs": {"content": []}, "message": {"content": ""}}
        return given

    with Asker("auto", trouble) as asker:
        asker.ask()
        assert asker.ask("silent").reason == "the answer contains no logprobs"
        assert asker.questioner.method == "logprobs"


@pytest.mark.parametrize("troubles", [(), (refusing("logprobs"),)])
def test_logprobs_that_are_wanted_must_be_there(troubles):
    expected = pytest.raises(ValueError, match='method="samples" or')
    with Asker("logprobs", *troubles, has_logprobs=False) as asker, expected:
        asker.ask()


@pytest.mark.parametrize("status", [400, 422])
def test_what_a_server_does_not_know_is_left_out(status):
    fields = "response_format", "top_p", "temperature", "n"
    with Asker("samples", refusing(*fields, status=status)) as asker:
        assert asker.ask().row[:3].sum() == 4
        asker.server.bodies.clear()
        asker.ask()
    for body in asker.server.bodies:
        assert {*body} == {"model", "messages", "max_tokens"}


def test_a_limit_of_another_name_is_used():
    def trouble(number, body, given):
        message = "'max_tokens' is not supported. Use 'max_completion_tokens' instead."
        return error(400, message) if "max_tokens" in body else given

    with Asker("logprobs", trouble) as asker:
        asker.ask()
    assert asker.server.bodies[1]["max_completion_tokens"] == 4


def test_fewer_tokens_are_asked_for_if_20_are_too_many():
    def trouble(number, body, given):
        if body["top_logprobs"] > 5:
            return error(400, "top_logprobs must be at most 5")
        return given

    with Asker("logprobs", trouble) as asker:
        asked = asker.ask()
    assert asked.row[:3].sum() == pytest.approx(1)
    assert [body["top_logprobs"] for body in asker.server.bodies] == [20, 5]


def test_a_request_that_is_wrong_for_another_reason_ends_all():
    with Asker("samples", lambda *_: error(400, "a bad day")) as asker:
        with pytest.raises(RejectedError, match="a bad day"):
            asker.ask()
        assert asker.server.n_requests == 1


def test_a_text_that_is_refused_is_reported():
    def trouble(number, body, given):
        return error(400, "too long") if text_of(body) == "long" else given

    with Asker("samples", trouble) as asker:
        assert asker.ask().reason == ""
        asked = asker.ask("long")
        assert "400: too long" in asked.reason
        assert asker.server.n_requests == 2


def saying(content, n_times):
    """Give another answer, so many times."""

    def trouble(number, body, given):
        if number < n_times:
            for choice in given["choices"]:
                choice["message"]["content"] = content
                choice["logprobs"] = (
                    None
                    if choice["logprobs"] is None
                    else {
                        "content": [
                            {"token": content, "top_logprobs": [{"token": content, "logprob": 0.0}]}
                        ]
                    }
                )
        return given

    return trouble  # fmt: skip


@pytest.mark.parametrize("method", ["auto", "logprobs", "samples", "candidates"])
def test_an_answer_outside_the_labels_is_asked_for_once_more(method):
    with Asker(method, saying("happy", 1)) as asker:
        asked = asker.ask()
        assert asked.reason == ""
        assert asked.row[:3].sum() == pytest.approx(4 if method == "samples" else 1)
        assert asker.server.n_requests == 2
        assert asker.questioner.n_unusable == (4 if method == "samples" else 1)
        # Its tokens are paid for, too.
        assert sum(row[4] for _, row, _ in asker.kept) == asked.row[4]
    with Asker(method, saying("happy", 99)) as asker:
        asked = asker.ask()
        assert asked.reason == "'happy' is none of the labels"
        assert asked.row[:3].sum() == 0
        assert asker.server.n_requests == 2


def test_an_empty_answer_is_unusable():
    with Asker("samples", lambda number, body, given: given | {"choices": []}) as asker:
        assert "'' is none of the labels" in asker.ask().reason


def test_labels_beyond_the_tokens_are_counted():
    prompt = Prompt(tuple(f"class {i}" for i in range(30)))
    many = dict.fromkeys(prompt.keys, 1 / 30)
    with Asker("logprobs", prompt=prompt, answer=lambda text: many) as asker:
        asked = asker.ask(row=np.zeros(32))
    np.testing.assert_allclose(asked.row[:30], 1 / 30)
    assert asker.questioner.n_bounded == 1
    assert asker.questioner.largest_bound == pytest.approx(1 / 3)


def test_abilities_end():
    abilities, n_steps = Abilities(), 0
    message = "top_logprobs response_format top_p temperature 'n' max_completion_tokens"
    while (fewer := abilities.without(message)) is not None:
        abilities, n_steps = fewer, n_steps + 1
    assert n_steps == 7
    body = make_body("m", PROMPT, "", "samples", 4, abilities)
    assert {*body} == {"model", "messages", "max_completion_tokens"}
    assert Abilities().without("something else, isn't it") is None

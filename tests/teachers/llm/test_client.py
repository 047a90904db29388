import logging
import time
from email.utils import formatdate

import pytest

from chat_server import ChatServer, error
from skdistill.teachers.llm import _client
from skdistill.teachers.llm._client import ChatClient, RejectedError, StoppedError

KEY = "sk-secret-1234"
BODY = {"model": "m", "messages": [{"role": "user", "content": "Text: hello\nLabel:"}]}


def answer(text):
    return {"A": 0.75, "B": 0.25}


def first(n, trouble):
    """Trouble for the first n requests only."""
    return lambda number, body, given: trouble if number < n else given


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(_client, "_FIRST_WAIT", 0.001)


def ask(server, **options):
    given = {"base_url": server.url, "timeout": 5, "max_retries": 3} | options
    with ChatClient("m", **given) as client:
        return client.ask(BODY)


@pytest.mark.parametrize(
    "trouble",
    [
        error(429),
        error(500),
        error(503),
        error(408),
        None,  # the connection ends without an answer
        (200, {"Content-Length": "500"}, b'{"choices": ['),  # and in the middle of one
        (200, {}, b'{"choices": [{"index": 0, "mess'),
        (200, {}, b""),
        (200, {}, b"[]"),
        (200, {}, b"{}"),
        (502, {}, b"<html>bad gateway</html>"),
    ],
    ids=range(11),
)
def test_what_may_succeed_later_is_repeated(trouble):
    with ChatServer(answer, first(3, trouble)) as server:
        assert ask(server)["choices"][0]["message"]["content"] == "A"
        assert server.n_requests == 4
    with ChatServer(answer, first(2, trouble)) as server:
        with pytest.raises(
            ConnectionError, match=r"did not answer after 2 attempts \(.+\)\. (Rep|Its)"
        ):
            ask(server, max_retries=1)
        assert server.n_requests == 2


def test_a_first_request_that_fails_may_name_a_wrong_model():
    with ChatServer(answer, first(99, error(500, "Internal Server Error"))) as server:
        with pytest.raises(
            ConnectionError, match=r"after 4 attempts \(500: .* has no model 'm'\.$"
        ):
            ask(server, max_retries=8)
        assert server.n_requests == 4
    nine = pytest.raises(ConnectionError, match=r"after 9 attempts \(503: no\)\. Repeat")
    with ChatServer(answer, first(99, error(503))) as server, nine:
        ask(server, max_retries=8)
    fails_later = ChatServer(answer, lambda number, body, given: error(500) if number else given)
    options = {"timeout": 5, "max_retries": 5}
    with fails_later as server, ChatClient("m", base_url=server.url, **options) as client:
        client.ask(BODY)
        with pytest.raises(ConnectionError, match=r"after 6 attempts \(500: no\)\. Repeat"):
            client.ask(BODY)


def test_another_model_is_noted_once(caplog):
    caplog.set_level(logging.INFO, "skdistill")

    def another(number, body, given):
        return given | {"model": "big.gguf"}

    with (
        ChatServer(answer, another) as server,
        ChatClient("m", base_url=server.url, timeout=5, max_retries=0) as client,
    ):
        client.ask(BODY)
        client.ask(BODY)
    assert caplog.text.count("calls its model 'big.gguf', not 'm'") == 1


def test_a_slow_answer_is_given_up_and_repeated():
    def slow(number, body, given):
        time.sleep(0.3 * (number == 0))
        return given

    with ChatServer(answer, slow) as server:
        assert ask(server, timeout=0.1)["choices"]
    with ChatServer(answer, slow) as server, pytest.raises(ConnectionError, match=r"\(timeout\)"):
        ask(server, timeout=0.1, max_retries=0)


@pytest.mark.parametrize("wait", ["0.3", lambda: formatdate(time.time() + 2, usegmt=True)])
def test_the_server_says_how_long_to_wait(wait):
    value = wait if isinstance(wait, str) else wait()
    with ChatServer(answer, first(1, error(429, headers={"Retry-After": value}))) as server:
        start = time.monotonic()
        ask(server)
        assert time.monotonic() - start >= 0.3


def test_all_threads_wait_when_one_is_told_to():
    trouble = error(429, headers={"Retry-After": "0.2"})
    with (
        ChatServer(answer, first(1, trouble)) as server,
        ChatClient("m", base_url=server.url, timeout=5, max_retries=0) as client,
    ):
        with pytest.raises(ConnectionError):
            client.ask(BODY)
        start = time.monotonic()
        client.ask(BODY)
        assert time.monotonic() - start >= 0.15


def test_no_server_can_ask_for_a_day(monkeypatch):
    monkeypatch.setattr(_client, "_LONGEST_WANTED", 0.01)
    with ChatServer(answer, first(1, error(429, headers={"Retry-After": "86400"}))) as server:
        assert ask(server)["choices"]


def test_a_wait_of_no_known_form_is_ignored():
    with ChatServer(answer, first(1, error(429, headers={"Retry-After": "soon"}))) as server:
        assert ask(server)["choices"]


def test_waiting_ends_when_another_request_has_failed():
    with (
        ChatServer(answer, first(9, error(429, headers={"Retry-After": "60"}))) as server,
        ChatClient("m", base_url=server.url, timeout=5, max_retries=5) as client,
    ):
        client.stop.set()
        with pytest.raises(StoppedError):
            client.ask(BODY)


@pytest.mark.parametrize(
    ("trouble", "kind", "message"),
    [
        (error(401, f"wrong key {KEY}"), PermissionError,
         r"refuses the key \(401: wrong key \*\*\*\); set the environment variable OPENAI_API_KEY"),
        (error(403), PermissionError, "refuses the key"),
        (error(404, "no such model"), ValueError,
         r"has no model 'm' \(404: no such model\); check model and base_url"),
        (error(400, "too long"), RejectedError, r"rejects the request \(400: too long\)"),
        ((422, {}, b'{"detail": "bad field"}'), RejectedError, r"\(422: bad field\)"),
        (error(429, "no money", code="insufficient_quota"), ConnectionError, "check the account"),
        (error(402, "Insufficient Balance"), ConnectionError, "check the account"),
    ],
)  # fmt: skip
def test_what_cannot_succeed_ends_at_once(monkeypatch, caplog, trouble, kind, message):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    with ChatServer(answer, first(9, trouble)) as server:
        with pytest.raises(kind, match=message) as raised:
            ask(server)
        assert server.n_requests == 1
        assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    assert "\n" not in str(raised.value)
    assert raised.value.__context__ is None
    assert KEY not in caplog.text


def test_the_key_is_in_no_message_of_any_trouble(monkeypatch, caplog):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    for trouble in (error(500, KEY), error(429, KEY), None, (200, {}, b"{"), error(400, KEY)):
        expected = pytest.raises((ConnectionError, RejectedError))
        with ChatServer(answer, first(9, trouble)) as server, expected as raised:
            ask(server)
        assert KEY not in f"{raised.value!r}"
    assert "asking again" in caplog.text
    assert KEY not in caplog.text


def test_no_server_is_a_connection_error():
    with ChatServer(answer) as server:
        url = server.url
    with pytest.raises(ConnectionError, match=rf"The server at {url}/ did not answer .*onnection"):
        ChatClient("m", base_url=url, timeout=5, max_retries=0).ask(BODY)


def test_a_service_needs_a_key(monkeypatch):
    with pytest.raises(ValueError, match="set the environment variable OPENAI_API_KEY, or pass ba"):
        ChatClient("m", base_url=None, timeout=5, max_retries=0)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert ChatClient("m", base_url=None, timeout=5, max_retries=0).url == "http://127.0.0.1:1/v1/"


@pytest.mark.parametrize("key", ["sk-one\nsk-two", "sk one", "sk-\u201cone\u201d"])
def test_a_key_that_cannot_be_sent_is_not_shown(monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with ChatServer(answer) as server, pytest.raises(ValueError, match="copy it once") as raised:
        ask(server)
    assert "sk" not in str(raised.value)
    assert server.n_requests == 0


def test_the_extra_is_named_if_it_is_not_installed(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(ImportError, match=r"run 'pip install skdistill\[llm\]'"):
        ChatClient("m", base_url="http://127.0.0.1:1", timeout=5, max_retries=0)

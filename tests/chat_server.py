"""A small server with OpenAI's chat interface, which also imitates the troubles of real ones."""

import json
import math
import random
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ChatServer:
    """Answer chat requests on 127.0.0.1 inside a ``with`` block.

    `answer` maps a text to the probabilities of the keys A, B, ... Each function in `troubles` sees
    a request's number, body and answer. It returns the answer that is sent, perhaps changed, or
    a tuple of status, headers and body, or None to cut the connection.
    """

    def __init__(self, answer, *troubles, has_logprobs=True, has_n=True, delay=0.0, port=0):
        self.answer = answer
        self.troubles = troubles
        self.has_logprobs = has_logprobs
        self.has_n = has_n
        self.delay = delay
        self.bodies, self.headers, self.texts = [], [], Counter()
        self.most_at_once = self._at_once = 0
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.chat = self
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self):
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def n_requests(self):
        return len(self.bodies)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def respond(self, headers, body):
        with self._lock:
            number = len(self.bodies)
            self.bodies.append(body)
            self.headers.append(headers)
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            time.sleep(self.delay)
            answer = self.make(body)
            for trouble in self.troubles:
                answer = trouble(number, body, answer)
                if not isinstance(answer, dict):
                    return answer
        finally:
            with self._lock:
                self._at_once -= 1
        with self._lock:
            self.texts[text_of(body)] += 1
        return 200, {}, json.dumps(answer).encode()

    def make(self, body):
        """Make the answer to a request."""
        text = text_of(body)
        shares = self.answer(text)
        n = body.get("n", 1) if self.has_n else 1
        rng = random.Random(f"{text} {self.texts[text]}")
        wants_json = "response_format" in body
        wants_list = wants_json and "labels" in json.dumps(body["response_format"])
        choices = []
        for index in range(n):
            if wants_list:
                highest = max(shares.values())
                keys = [key for key, share in shares.items() if share >= highest / 3]
                content = json.dumps({"labels": keys})
            else:
                key = max(shares, key=shares.get)
                if body.get("temperature") and not body.get("logprobs"):
                    (key,) = rng.choices([*shares], [*shares.values()])
                content = json.dumps({"label": key}) if wants_json else key
            choice = {
                "index": index,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": content},
                "logprobs": None,
            }
            if body.get("logprobs") and self.has_logprobs:
                ranked = sorted(shares, key=lambda key: -shares[key])[: body["top_logprobs"]]
                top = [
                    {"token": key, "logprob": math.log(max(shares[key], 1e-9)), "bytes": None}
                    for key in ranked
                ]
                choice["logprobs"] = {"content": [top[0] | {"top_logprobs": top}]}
            choices.append(choice)
        n_input = sum(len(message["content"].split()) for message in body["messages"])
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": choices,
            "usage": {
                "prompt_tokens": n_input,
                "completion_tokens": n,
                "total_tokens": n_input + n,
            },
        }


def text_of(body):
    """Return the text that a request is about."""
    content = body["messages"][-1]["content"]
    return content.removeprefix("Text: ").rpartition("\n")[0]


def error(status, message="no", headers=None, **fields):
    """Return an error as OpenAI sends it."""
    return status, headers or {}, json.dumps({"error": {"message": message, **fields}}).encode()


class _Server(ThreadingHTTPServer):
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Stay silent when a client has gone."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_):
        """Log nothing."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        sent = self.server.chat.respond(headers, body)
        if sent is None:
            self.close_connection = True
            return
        status, headers, content = sent
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        else:
            self.close_connection = True
        self.end_headers()
        self.wfile.write(content)

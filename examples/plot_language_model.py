"""
Distil a language model
=======================

:class:`~skdistill.LLMTeacherClassifier` asks a language model for the topics of messages. A student
learns from the answers and replaces the model: it needs no server and answers in microseconds.

The example runs offline. Instead of a language model, a small server with the same interface gives
recorded answers.
"""

# %%
# A server with recorded answers
# ------------------------------
# The file contains messages and the probabilities of their topics. The server sends them as OpenAI,
# vLLM, Ollama and llama.cpp do: as logarithms of the probabilities of tokens. Skip this part if you
# have a server, and set ``base_url`` to its address.

import json
import math
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

# In the documentation, an example does not know its own file.
folder = Path(__file__).parent if "__file__" in globals() else Path.cwd()
recorded = json.loads((folder / "language_model_answers.json").read_text(encoding="utf-8"))
answers = dict(zip(recorded["texts"], recorded["answers"], strict=True))


class Recorded(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open
    disable_nagle_algorithm = True

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = request["messages"][-1]["content"]
        text = prompt.removeprefix("Text: ").removesuffix("\nLabel:")
        shares = dict(zip("ABCD", answers[text], strict=True))
        top = [
            {"token": letter, "logprob": math.log(max(share, 1e-9))}
            for letter, share in shares.items()
        ]
        best = max(shares, key=shares.get)
        choice = {
            "message": {"role": "assistant", "content": best},
            "logprobs": {"content": [{"token": best, "top_logprobs": top}]},
        }
        n_tokens = sum(len(message["content"]) // 4 for message in request["messages"])
        usage = {"prompt_tokens": n_tokens, "completion_tokens": 1}
        content = json.dumps({"choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Recorded)
threading.Thread(target=server.serve_forever, daemon=True).start()

# %%
# What it costs
# -------------
# The model, its labels, and instructions are all that the teacher needs. ``prices`` are those of a
# million tokens, input and output. The estimate sends no request.

from skdistill import DistilledMLPClassifier, LLMTeacherClassifier

texts, topics = recorded["texts"], np.array(recorded["topics"])
X, X_test, y_test = texts[:400], texts[400:], topics[400:]
teacher = LLMTeacherClassifier(
    "a-model",
    classes=recorded["labels"],
    instructions="A customer has written to a shop. What is the message about, first of all?",
    base_url=f"http://127.0.0.1:{server.server_port}/v1",
    prices=(0.15, 0.60),
    max_cost=1.00,
)
estimate = teacher.fit(X).estimate(X)
print(f"{estimate.n_requests} requests, {estimate.n_input_tokens:,} tokens, ${estimate.cost:.4f}")

# %%
# Train a student
# ---------------
# The student needs no labels. With ``memory="folder"``, each answer would be on disk as soon as it
# comes, and no text would be paid for twice.

student = DistilledMLPClassifier(teacher, max_epochs=60, random_state=0)
student.fit(X)
teacher_proba = teacher.predict_proba(X_test)
print(f"the server gives {teacher.method_}")
print(f"teacher {np.mean(teacher.classes_[teacher_proba.argmax(axis=1)] == y_test):.1%}")
student_proba = student.predict_proba(X_test)
print(f"student {np.mean(student.classes_[student_proba.argmax(axis=1)] == y_test):.1%}")

# %%
# The student needs no server
# ---------------------------

server.shutdown()
server.server_close()
message = "Hello, the jacket does not fit. Please help."
proba = student.predict_proba([message])[0]
for label, share in zip(student.classes_, proba, strict=True):
    print(f"{label:8} {share:.2f}")

# %%
# The student is about as sure as the teacher, because it has learned from probabilities.

import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(5, 4), layout="constrained")
axes.scatter(teacher_proba.max(axis=1), student_proba.max(axis=1), s=12, alpha=0.6)
axes.plot([0.25, 1], [0.25, 1], color="gray", linestyle="--")
axes.set(xlabel="teacher's highest probability", ylabel="student's highest probability")
plt.show()

"""Fit SetFit on a benchmark's rows, in an environment that has it; `generality.py` runs this.

Arguments: a folder with ``data.json``, the encoder's folder, the seed, the number of threads.
Predictions go to ``predicted.json`` in the first folder.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer, models
from setfit import SetFitModel, Trainer, TrainingArguments
from sklearn.linear_model import LogisticRegression

from datasets import Dataset


def main(folder, encoder, seed, n_threads):
    """Fit with SetFit's defaults but one pass, as its authors advise for more than a few rows."""
    torch.set_num_threads(int(n_threads))
    data = json.loads(Path(folder, "data.json").read_text())
    words = models.Transformer(encoder, max_seq_length=256)
    pooling = models.Pooling(words.get_word_embedding_dimension(), "mean")
    body = SentenceTransformer(modules=[words, pooling, models.Normalize()])
    model = SetFitModel(model_body=body, model_head=LogisticRegression())
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch, seed=int(seed), report_to="none", save_strategy="no", max_steps=500
        )
        rows = Dataset.from_dict({"text": data["X"], "label": data["y"]})
        Trainer(model=model, args=arguments, train_dataset=rows).train()
    predicted = [str(label) for label in model.predict(data["X_test"])]
    Path(folder, "predicted.json").write_text(json.dumps({"predicted": predicted}))


if __name__ == "__main__":
    main(*sys.argv[1:])

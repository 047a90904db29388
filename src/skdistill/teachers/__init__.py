"""Classifiers that can teach: transformers, zero-shot models, functions, the TF-IDF baseline."""

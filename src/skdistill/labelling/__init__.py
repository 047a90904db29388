"""Labelling of texts with a teacher, the cache of its probabilities, and the transfer set."""

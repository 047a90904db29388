"""Soft labels on disk: a cache by teacher and text, and the journal of answers that come in."""

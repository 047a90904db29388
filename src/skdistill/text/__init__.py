"""Texts to ids: vocabularies, ragged arrays, streams that stay on disk."""

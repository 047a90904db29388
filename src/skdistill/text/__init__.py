"""Convert texts to ids: vocabularies, ragged arrays, and streams that stay on disk."""

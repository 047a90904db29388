"""The model card: one HTML page with a student in it."""

"""The model card: an HTML page that contains a student."""

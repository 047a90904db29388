"""Hugging Face models: loading, fine-tuning, inference."""

"""Make new texts from existing ones."""

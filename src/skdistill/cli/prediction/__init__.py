"""Predictions for files and for lines, with NumPy and SciPy only."""

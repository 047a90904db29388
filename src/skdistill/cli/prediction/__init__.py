"""Predictions for files and for lines, and the file of the student, with NumPy and SciPy only."""

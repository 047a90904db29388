"""The command ``skdistill``."""

"""The command line ``skdistill``."""

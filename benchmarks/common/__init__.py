"""Corpora, peers and settings that the benchmarks share."""

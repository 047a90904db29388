"""Utilities that all other folders use and that do not depend on distillation."""

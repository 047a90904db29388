"""New texts out of given ones."""

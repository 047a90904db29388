"""New texts made from given ones."""

"""What a teacher says of each text: asked once, kept on disk, joined to a transfer set."""

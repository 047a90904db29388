"""Choose the texts that are worth a label."""

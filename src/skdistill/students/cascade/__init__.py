"""Parts of cascades: their folder, and how student and teacher are fitted and asked."""

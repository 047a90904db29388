"""What every other folder uses; it knows nothing of distillation."""

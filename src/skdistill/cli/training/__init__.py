"""What the command ``skdistill fit`` does beside reading options."""

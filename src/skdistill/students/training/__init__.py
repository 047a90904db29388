"""Training of students: networks, losses, schedule, loop."""

"""How a student is trained: networks, losses, schedule, loop."""

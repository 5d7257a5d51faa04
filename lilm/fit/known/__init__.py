"""What is known of devices, and where from. A package of its own: only what shows its data depends on it."""

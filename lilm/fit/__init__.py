"""What a model needs of memory, from its file's own numbers, and which devices give as much."""

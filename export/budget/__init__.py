"""A file of mixed types for a size: what each choice costs, and which choices fit best."""

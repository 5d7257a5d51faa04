"""The report of the corpus stage as a page: what came in, what went and why, what is left."""

"""`lilm bench corpus`: how fast the corpus stage is, and how well it finds what it looks for."""

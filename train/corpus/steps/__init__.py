"""The steps of the corpus stage after its sources: each a pure function of files, so that it can run anywhere."""

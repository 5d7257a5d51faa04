"""Incremental pretraining: new rows, then the whole model, with the old language replayed."""

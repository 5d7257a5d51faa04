"""The held-out documents are chosen, all others written, and the report made."""

"""`lilm bench faults`: spoilt files of every kind that LiLM reads; each must be read, or refused in one line."""

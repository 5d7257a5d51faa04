"""One training loop for every stage that trains: deterministic, resumable, measured."""

"""Pages about a vocabulary: what it does for the text, and how its rows should begin."""

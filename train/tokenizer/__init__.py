"""The vocabulary: learnt from text, merged into the base's, verified in every runtime."""

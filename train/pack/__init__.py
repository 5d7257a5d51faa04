"""The corpus as tokens: stores on disk and in memory, and training sequences out of them."""

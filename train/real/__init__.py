"""`lilm bench real`: a real English Llama learns Japanese in several ways, in equal seconds, and the best goes on to
the page."""

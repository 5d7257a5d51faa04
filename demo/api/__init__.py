"""`lilm api`: a GGUF file for programs that speak OpenAI's HTTP API, one answer at a time, first come, first served."""

"""What a Llama is: config.json, its shape, its tensors here and in GGUF, their bytes, and the arithmetic of a token."""

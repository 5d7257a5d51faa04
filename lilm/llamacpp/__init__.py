"""What training and export both need of llama.cpp: GGUF tokenizer keys, and running it in child processes."""

"""`lilm bench browser`: our llama.cpp in Chromium beside npm's wllama and the native one, on the same GGUF."""

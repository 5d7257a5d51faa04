"""Is a build what it should be? Runs it in node and in Chromium, and compares it with native llama.cpp."""

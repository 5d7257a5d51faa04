"""llama.cpp in the browser: toolchain, build, memory sizing, JavaScript runtime."""

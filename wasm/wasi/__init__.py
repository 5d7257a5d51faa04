"""llama.cpp as a WASI program: one thread, one file, run by wasmtime. Zig's clang builds it."""

# Read by the llama-cpp-python build through CMAKE_PROJECT_<name>_INCLUDE (see Makefile): half as long to compile.
# The common library serves llama.cpp's own programs; the Python package loads only libllama and ggml.
set(LLAMA_BUILD_COMMON OFF)

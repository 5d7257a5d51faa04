// What the linker misses on WASI: one thread needs no lock, there are no shared libraries and no folders, nothing is
// quantised, and an exception, which Zig's C++ library cannot unwind, ends the program with what it says.
#include "ggml-backend-dl.h"
#include "llama.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <typeinfo>

extern "C" {

void ggml_critical_section_start() {}
void ggml_critical_section_end() {}

uint32_t llama_model_quantize(const char *, const char *, const llama_model_quantize_params *) { return 1; }

void * __cxa_allocate_exception(size_t size) { return malloc(size); }
void   __cxa_free_exception(void * exception) { free(exception); }

[[noreturn]] void __cxa_throw(void * exception, std::type_info * type, void (*)(void *)) {
    const char * what = type->name();
    if (*type == typeid(std::runtime_error)) {
        what = static_cast<std::runtime_error *>(exception)->what();
    } else if (*type == typeid(std::invalid_argument) || *type == typeid(std::out_of_range)) {
        what = static_cast<std::logic_error *>(exception)->what();
    }
    fprintf(stderr, "error: %s\n", what);
    exit(1);
}
}

dl_handle *  dl_load_library(const fs::path &) { return nullptr; }
void *       dl_get_sym(dl_handle *, const char *) { return nullptr; }
const char * dl_error() { return "there are no shared libraries here"; }

namespace std::__1::__fs::filesystem {
string_view path::__filename() const { return {}; }
string_view path::__root_directory() const { return {}; }
}  // namespace std::__1::__fs::filesystem

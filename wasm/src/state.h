// What the functions of glue.h share: the one loaded model, and errors as text.
#pragma once

#include "ggml-cpu.h"
#include "glue.h"
#include "llama.h"

#include <emscripten.h>

#include <exception>
#include <functional>
#include <string>
#include <vector>

#define EXPORT extern "C" EMSCRIPTEN_KEEPALIVE

namespace lilm {

extern llama_model *            model;
extern llama_context *          context;
extern ggml_threadpool_t        pool;       // null for one thread
extern int32_t                  threads;    // that compute now
extern int32_t                  most_threads;
extern std::vector<llama_token> wanted;     // the context as it shall be
extern size_t                   evaluated;  // how much of it is in the KV cache
extern std::string              text;       // what the last function that answers text made

struct Failure : std::exception {
    const char * kind;  // of errors.mjs
    std::string  sentence;
    Failure(const char * kind, std::string sentence) : kind(kind), sentence(std::move(sentence)) {}
    const char * what() const noexcept override { return sentence.c_str(); }
};

// Everything that JavaScript calls runs in here: no exception leaves the module. -1 after one.
int32_t guarded(const std::function<int32_t()> & work);

void need_model();

// llama.cpp's log: what is wrong is said only there.
void listen();     // from now on
void forget_log();
[[noreturn]] void fail_from_log(const char * doing, bool past_end = false);

bool asked_to_stop(void *);  // llama.cpp's abort callback

}  // namespace lilm

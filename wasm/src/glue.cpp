// glue.h on top of llama.cpp: state of the one loaded model, errors as text, files read through JavaScript.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "glue.h"

#include "chat.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "json.h"
#include "llama.h"

#include <emscripten.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <functional>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#define EXPORT extern "C" EMSCRIPTEN_KEEPALIVE

EM_JS(double, js_read, (double offset, double address, double n), {
    return Module['lilmRead'](offset, new Uint8Array(wasmMemory.buffer, address, n));
});
EM_JS(int, js_loaded, (double fraction), { return Module['lilmLoaded'](fraction) ? 1 : 0; });

namespace {

struct Failure : std::exception {
    const char * kind;
    std::string  text;
    Failure(const char * kind, std::string text) : kind(kind), text(std::move(text)) {}
    const char * what() const noexcept override { return text.c_str(); }
};

llama_model *        model   = nullptr;
llama_context *      context = nullptr;
llama_sampler *      sampler = nullptr;
ggml_threadpool_t    pool    = nullptr;
std::vector<llama_token> wanted;     // the context as it shall be
size_t               evaluated = 0;  // how much of it is in the KV cache
std::vector<llama_token> tokens;     // answer of lilm_tokenize*
std::string          text;           // answer of lilm_piece, lilm_info
std::string          error_text;
const char *         error_kind = "internal";
float                gap        = 0;
int32_t              threads    = 1;
int32_t              abort_flag = 0;
std::mutex           log_mutex;
std::string          log_errors;     // llama.cpp says what is wrong only here

void on_log(ggml_log_level level, const char * line, void *) {
    if (level == GGML_LOG_LEVEL_ERROR) {
        std::lock_guard<std::mutex> lock(log_mutex);
        log_errors += line;
    }
}

bool log_has(const char * part) { return log_errors.find(part) != std::string::npos; }

// The first error line is the cause; the later ones only say that loading failed.
std::string log_cause() {
    std::string line = log_errors.substr(0, log_errors.find('\n'));
    for (const char * prefix : { "error loading model: ", "tensor_info: ", "_impl: ", ": " }) {
        const size_t at = line.find(prefix);
        if (at != std::string::npos) {
            return line.substr(at + strlen(prefix));
        }
    }
    return line;
}

[[noreturn]] void fail_from_log(const char * doing, bool past_end = false) {
    const std::string cause = log_cause();
    const char *      kind  = "internal";
    // "failed to read" as the first complaint: nothing was wrong with what was there.
    if (past_end || cause.compare(0, 14, "failed to read") == 0 || log_has("file bounds") || log_has("end of file") || log_has("remaining file size")) {
        kind = "truncated";
    } else if (log_has("failed to allocate") || log_has("unable to allocate") || log_has("insufficient memory")) {
        kind = "out_of_memory";
    } else if (log_has("unknown model architecture") || log_has("GGUFv1") || log_has("only supports up to version") ||
               log_has("unknown pre-tokenizer") || log_has("unknown tokenizer")) {
        kind = "unsupported";
    } else if (log_has("gguf_") || log_has("error loading model")) {
        kind = "not_a_gguf";
    }
    throw Failure(kind, std::string(doing) + (cause.empty() ? "" : ": " + cause));
}

// Everything that JavaScript calls runs in here: no exception leaves the module.
int32_t guarded(const std::function<int32_t()> & work) {
    try {
        return work();
    } catch (const Failure & failure) {
        error_kind = failure.kind;
        error_text = failure.text;
    } catch (const std::bad_alloc &) {
        error_kind = "out_of_memory";
        error_text = "the memory is used up";
    } catch (const std::exception & other) {
        error_kind = "internal";
        error_text = other.what();
    }
    return -1;
}

struct Cookie {
    double offset, size;
    bool   past_end = false;  // more was asked for than the file has
};

ssize_t cookie_read(void * cookie, char * to, size_t n) {
    auto * file = static_cast<Cookie *>(cookie);
    const double want = std::min<double>(n, file->size - file->offset);
    if (want <= 0) {
        file->past_end = true;
        return 0;
    }
    const double got = js_read(file->offset, (double) (uintptr_t) to, want);
    if (got > 0) {
        file->offset += got;
    }
    return (ssize_t) got;
}

int cookie_seek(void * cookie, off_t * offset, int whence) {
    auto * file = static_cast<Cookie *>(cookie);
    const double base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? file->offset : file->size;
    if (base + (double) *offset < 0) {
        return -1;
    }
    file->offset = base + (double) *offset;
    *offset      = (off_t) file->offset;
    return 0;
}

void release() {
    llama_sampler_free(sampler);
    llama_free(context);
    llama_model_free(model);
    ggml_threadpool_free(pool);
    sampler = nullptr, context = nullptr, model = nullptr, pool = nullptr;
    wanted.clear();
    evaluated = 0;
}

int32_t load(double file_bytes, int32_t n_ctx, int32_t n_batch, int32_t n_threads) {
    release();
    log_errors.clear();
    llama_log_set(on_log, nullptr);
    llama_backend_init();

    Cookie cookie{ 0, file_bytes };
    FILE * file   = fopencookie(&cookie, "rb", { cookie_read, nullptr, cookie_seek, nullptr });
    if (!file) {
        throw std::bad_alloc();
    }
    llama_model_params params        = llama_model_default_params();
    params.n_gpu_layers              = 0;
    params.load_mode                 = LLAMA_LOAD_MODE_NONE;
    params.use_extra_bufts           = false;  // repacking would hold the weights twice
    params.progress_callback         = [](float fraction, void * cancelled) {
        const bool go_on = js_loaded(fraction);
        *static_cast<bool *>(cancelled) = !go_on;
        return go_on;
    };
    bool cancelled                   = false;
    params.progress_callback_user_data = &cancelled;
    model = llama_model_load_from_file_ptr(file, params);
    fclose(file);
    if (cancelled) {
        throw Failure("aborted", "loading was stopped");
    }
    if (!model) {
        fail_from_log("the model cannot be loaded", cookie.past_end);
    }

    llama_context_params wish = llama_context_default_params();
    const int32_t        n_ctx_train = llama_model_n_ctx_train(model);
    wish.n_ctx           = n_ctx > 0 ? std::min(n_ctx, n_ctx_train) : n_ctx_train;  // beyond it there is only noise
    wish.n_batch         = n_batch;
    wish.n_ubatch        = n_batch;
    wish.n_outputs_max   = 1;  // only the last token's logits are wanted
    wish.n_threads       = n_threads;
    wish.n_threads_batch = n_threads;
    wish.no_perf         = true;
    context = llama_init_from_model(model, wish);
    if (!context) {
        fail_from_log("no memory for the context");
    }
    llama_set_abort_callback(context, [](void *) { return __atomic_load_n(&abort_flag, __ATOMIC_RELAXED) != 0; }, nullptr);
    threads = n_threads;
    if (n_threads > 1) {
        // Without a lasting pool ggml makes new threads for every token.
        ggml_threadpool_params shape = ggml_threadpool_params_default(n_threads);
        shape.poll = 1;  // between two tokens JavaScript wants the core
        pool = ggml_threadpool_new(&shape);
        llama_attach_threadpool(context, pool, pool);
    }
    return 0;
}

void need_model() {
    if (!context) {
        throw Failure("internal", "no model is loaded");
    }
}

// Evaluate wanted[evaluated, evaluated + n).
void evaluate(size_t n) {
    log_errors.clear();
    const int32_t rc = llama_decode(context, llama_batch_get_one(wanted.data() + evaluated, (int32_t) n));
    if (rc == 0) {
        llama_synchronize(context);
        evaluated += n;
        return;
    }
    llama_memory_seq_rm(llama_get_memory(context), 0, (llama_pos) evaluated, -1);
    if (rc == 2) {
        throw Failure("aborted", "the evaluation was stopped");
    }
    if (rc == 1) {
        throw Failure("context_full", "the context of " + std::to_string(llama_n_ctx(context)) + " tokens is full");
    }
    fail_from_log("the evaluation failed");
}

void tokenize(const std::string & input, bool add_special, bool parse_special) {
    const llama_vocab * vocab = llama_model_get_vocab(model);
    tokens.resize(input.size() + 8);
    int32_t n = llama_tokenize(vocab, input.data(), (int32_t) input.size(), tokens.data(), (int32_t) tokens.size(),
                               add_special, parse_special);
    if (n < 0) {
        tokens.resize(-n);
        n = llama_tokenize(vocab, input.data(), (int32_t) input.size(), tokens.data(), (int32_t) tokens.size(),
                           add_special, parse_special);
    }
    tokens.resize(std::max(n, 0));
}

// A token's text; special tokens only when asked for.
std::string piece(llama_token token, bool special) {
    const llama_vocab * vocab = llama_model_get_vocab(model);
    std::string         out(64, '\0');
    int32_t             n = llama_token_to_piece(vocab, token, &out[0], (int32_t) out.size(), 0, special);
    if (n < 0) {
        out.resize(-n);
        n = llama_token_to_piece(vocab, token, &out[0], (int32_t) out.size(), 0, special);
    }
    out.resize(std::max(n, 0));
    return out;
}

std::string special_piece(llama_token token) { return token == LLAMA_TOKEN_NULL ? "" : piece(token, true); }

template <typename Read> std::string model_text(Read read) {
    std::string out(256, '\0');
    int32_t     n = read(&out[0], out.size());
    if (n >= (int32_t) out.size()) {
        out.resize(n + 1);
        n = read(&out[0], out.size());
    }
    out.resize(std::max(n, 0));
    return out;
}

}  // namespace

EXPORT int32_t lilm_protocol(void) { return LILM_PROTOCOL; }
EXPORT const char * lilm_error(void) { return error_text.c_str(); }
EXPORT const char * lilm_error_kind(void) { return error_kind; }
EXPORT const char * lilm_log(void) { return log_errors.c_str(); }
EXPORT int32_t * lilm_abort_flag(void) { return &abort_flag; }
EXPORT int32_t * lilm_tokens(void) { return tokens.data(); }
EXPORT const char * lilm_text(void) { return text.c_str(); }
EXPORT float lilm_gap(void) { return gap; }
EXPORT int32_t lilm_n_ctx_used(void) { return (int32_t) evaluated; }
EXPORT double lilm_heap_top(void) { return (double) (uintptr_t) sbrk(0); }
EXPORT void lilm_free(void) { release(); }

EXPORT int32_t lilm_load(double file_bytes, int32_t n_ctx, int32_t n_batch, int32_t n_threads) {
    return guarded([&] {
        try {
            return load(file_bytes, n_ctx, n_batch, n_threads);
        } catch (...) {
            release();
            throw;
        }
    });
}

EXPORT const char * lilm_info(void) {
    const int32_t rc = guarded([] {
        need_model();
        common_json metadata = common_json::object();
        for (int32_t i = 0; i < llama_model_meta_count(model); i++) {
            const std::string key = model_text(
                [i](char * to, size_t n) { return llama_model_meta_key_by_index(model, i, to, n); });
            metadata[key] = model_text([i](char * to, size_t n) { return llama_model_meta_val_str_by_index(model, i, to, n); });
        }
        common_json info      = common_json::object();
        info["model"]         = model_text([](char * to, size_t n) { return llama_model_desc(model, to, n); });
        info["parameters"]    = (double) llama_model_n_params(model);
        info["model_bytes"]   = (double) llama_model_size(model);
        info["n_ctx"]         = (int64_t) llama_n_ctx(context);
        info["n_batch"]       = (int64_t) llama_n_batch(context);
        info["n_vocab"]       = (int64_t) llama_vocab_n_tokens(llama_model_get_vocab(model));
        info["threads"]       = (int64_t) threads;
        info["has_chat_template"] = llama_model_chat_template(model, nullptr) != nullptr;
        info["metadata"]      = metadata;
        text                  = info.dump_safe();
        return 0;
    });
    return rc < 0 ? "" : text.c_str();
}

EXPORT int32_t lilm_tokenize(const char * input, int32_t n_bytes, int32_t add_special, int32_t parse_special) {
    return guarded([&] {
        need_model();
        tokenize(std::string(input, n_bytes), add_special, parse_special);
        return (int32_t) tokens.size();
    });
}

EXPORT int32_t lilm_tokenize_chat(const char * messages_json, int32_t n_bytes) {
    return guarded([&] {
        need_model();
        const char * source = llama_model_chat_template(model, nullptr);
        if (!source) {
            throw Failure("unsupported", "the model has no chat template; use complete()");
        }
        const llama_vocab * vocab = llama_model_get_vocab(model);
        const std::string   bos   = special_piece(llama_vocab_bos(vocab));
        std::string         prompt;
        try {
            prompt = render_chat(source, std::string(messages_json, n_bytes), bos, special_piece(llama_vocab_eos(vocab)));
        } catch (const std::exception & refusal) {
            throw Failure("unsupported", std::string("the model's chat template failed: ") + refusal.what());
        }
        // The template may write the BOS that the tokenizer adds as well.
        if (llama_vocab_get_add_bos(vocab) && !bos.empty() && prompt.compare(0, bos.size(), bos) == 0) {
            prompt.erase(0, bos.size());
        }
        tokenize(prompt, true, true);
        return (int32_t) tokens.size();
    });
}

EXPORT int32_t lilm_piece(int32_t token) {
    return guarded([&] {
        need_model();
        text = piece(token, false);
        return (int32_t) text.size();
    });
}

EXPORT int32_t lilm_is_end(int32_t token) {
    return model && llama_vocab_is_eog(llama_model_get_vocab(model), token);
}

EXPORT int32_t lilm_prompt(const int32_t * prompt, int32_t n) {
    return guarded([&] {
        need_model();
        if (n < 1) {
            throw Failure("internal", "the prompt has no tokens");
        }
        const int32_t n_ctx = (int32_t) llama_n_ctx(context);
        if (n >= n_ctx) {
            throw Failure("context_full", "the prompt has " + std::to_string(n) + " tokens and the context holds " +
                                              std::to_string(n_ctx));
        }
        size_t same = 0;
        while (same < evaluated && same + 1 < (size_t) n && wanted[same] == prompt[same]) {
            same++;
        }
        llama_memory_t memory = llama_get_memory(context);
        if (!llama_memory_seq_rm(memory, 0, (llama_pos) same, -1)) {
            llama_memory_clear(memory, true);  // recurrent models cannot forget a part
            same = 0;
        }
        wanted.assign(prompt, prompt + n);
        evaluated = same;
        return (int32_t) same;
    });
}

EXPORT int32_t lilm_prefill(void) {
    return guarded([&] {
        need_model();
        const size_t n = std::min<size_t>(wanted.size() - evaluated, llama_n_batch(context));
        if (n > 0) {
            evaluate(n);
        }
        return (int32_t) (wanted.size() - evaluated);
    });
}

EXPORT int32_t lilm_sampler(float temperature, int32_t top_k, float top_p, float min_p, float repeat_penalty,
                            int32_t repeat_last_n, double seed) {
    return guarded([&] {
        need_model();
        llama_sampler_free(sampler);
        sampler = llama_sampler_chain_init(llama_sampler_chain_default_params());
        const int32_t n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
        llama_sampler_chain_add(sampler, llama_sampler_init_penalties(n_vocab, repeat_last_n, repeat_penalty, 0.0f, 0.0f));
        if (temperature <= 0.0f) {
            llama_sampler_chain_add(sampler, llama_sampler_init_greedy());
        } else {
            llama_sampler_chain_add(sampler, llama_sampler_init_top_k(top_k));
            llama_sampler_chain_add(sampler, llama_sampler_init_top_p(top_p, 1));
            llama_sampler_chain_add(sampler, llama_sampler_init_min_p(min_p, 1));
            llama_sampler_chain_add(sampler, llama_sampler_init_temp(temperature));
            llama_sampler_chain_add(sampler, llama_sampler_init_dist((uint32_t) seed));
        }
        for (const llama_token token : wanted) {
            llama_sampler_accept(sampler, token);
        }
        return 0;
    });
}

EXPORT int32_t lilm_sample(void) {
    return guarded([&] {
        need_model();
        if (!sampler || evaluated == 0) {
            throw Failure("internal", "nothing is evaluated yet");
        }
        const float * logits  = llama_get_logits_ith(context, -1);
        const int32_t n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
        float first = -INFINITY, second = -INFINITY;
        for (int32_t i = 0; i < n_vocab; i++) {
            if (logits[i] > first) {
                second = first;
                first  = logits[i];
            } else if (logits[i] > second) {
                second = logits[i];
            }
        }
        gap = first - second;
        return llama_sampler_sample(sampler, context, -1);
    });
}

EXPORT int32_t lilm_decode(int32_t token) {
    return guarded([&] {
        need_model();
        if (evaluated >= llama_n_ctx(context)) {
            throw Failure("context_full", "the context of " + std::to_string(llama_n_ctx(context)) + " tokens is full");
        }
        wanted.resize(evaluated);
        wanted.push_back(token);
        evaluate(1);
        return 0;
    });
}

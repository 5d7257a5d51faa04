// Loading a model through JavaScript's reads, and letting it go.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "generate.h"
#include "state.h"
#include "watch.h"

#include "json.h"

#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <new>

EM_JS(double, js_read, (int file, double offset, double address, double n), {
    return Module['lilmRead'](file, offset, new Uint8Array(wasmMemory.buffer, address, n));
});
EM_JS(int, js_loaded, (double fraction), { return Module['lilmLoaded'](fraction) ? 1 : 0; });

namespace lilm {

llama_model *            model        = nullptr;
llama_context *          context   = nullptr;
ggml_threadpool_t        pool      = nullptr;
int32_t                  threads   = 1;
int32_t                  most_threads = 1;
std::vector<llama_token> wanted;
size_t                   evaluated = 0;
std::string              text;

namespace {

enum Which { MODEL, ADAPTER };  // files, as lilmRead() calls them

struct Cookie {
    Which  which;
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
    const double got = js_read(file->which, file->offset, (double) (uintptr_t) to, want);
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
    forget_sampler();
    llama_free(context);
    llama_model_free(model);
    ggml_threadpool_free(pool);
    context = nullptr, model = nullptr, pool = nullptr;
    wanted.clear();
    evaluated = 0;
}

// The file behind `cookie`; throws when there is no memory for it.
FILE * open_file(Cookie & cookie) {
    FILE * file = fopencookie(&cookie, "rb", { cookie_read, nullptr, cookie_seek, nullptr });
    if (!file) {
        throw std::bad_alloc();
    }
    return file;
}

void load_model(double file_bytes) {
    Cookie             cookie{ MODEL, 0, file_bytes };
    FILE *             file          = open_file(cookie);
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
}

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

// As `check_adapter` in lilm/llamacpp/engine.py: where the shapes are the same, as in a model that holds it already,
// llama.cpp loads an adapter that is another model's.
void check_adapter(const llama_adapter_lora * adapter) {
    const char *      key    = "lilm.adapted";
    const std::string wanted = model_text(
        [&](char * to, size_t n) { return llama_adapter_meta_val_str(adapter, key, to, n); });
    const std::string found = model_text(
        [&](char * to, size_t n) { return llama_model_meta_val_str(model, key, to, n); });
    if (!wanted.empty() && wanted != found) {
        throw Failure("wrong_adapter", "the adapter does not go over this model: take a base-….gguf that was exported "
                                       "with it; model-….gguf files hold it already");
    }
}

// llama.cpp frees it with the model.
llama_adapter_lora * load_adapter(double file_bytes) {
    Cookie               cookie{ ADAPTER, 0, file_bytes };
    FILE *               file    = open_file(cookie);
    llama_adapter_lora * adapter = llama_adapter_lora_init_from_file_ptr(model, file);
    fclose(file);
    if (!adapter) {
        fail_from_log("the adapter cannot be loaded", cookie.past_end);
    }
    check_adapter(adapter);
    return adapter;
}

int32_t load(double file_bytes, double adapter_bytes, int32_t n_ctx, int32_t n_batch, int32_t n_threads,
             int32_t kv_type) {
    release();
    forget_log();
    listen();
    llama_backend_init();
    load_model(file_bytes);
    // Before the context, which reserves memory for the steps that it adds.
    llama_adapter_lora * adapter = adapter_bytes > 0 ? load_adapter(adapter_bytes) : nullptr;

    llama_context_params wish = llama_context_default_params();
    const int32_t        n_ctx_train = llama_model_n_ctx_train(model);
    wish.n_ctx           = n_ctx > 0 ? std::min(n_ctx, n_ctx_train) : n_ctx_train;  // beyond it there is only noise
    wish.n_batch         = n_batch;
    wish.n_ubatch        = n_batch;
    wish.n_outputs_max   = 1;  // only the last token's logits are wanted
    wish.n_threads       = n_threads;
    wish.n_threads_batch = n_threads;
    wish.no_perf         = true;
    wish.type_k = wish.type_v = (ggml_type) kv_type;
    if (watching) {
        wish.cb_eval = watch;
    }
    context = llama_init_from_model(model, wish);
    if (!context) {
        fail_from_log("no memory for the context");
    }
    float scale = 1.0f;
    if (adapter && llama_set_adapters_lora(context, &adapter, 1, &scale) != 0) {
        fail_from_log("the adapter cannot be used");
    }
    llama_set_abort_callback(context, asked_to_stop, nullptr);
    threads = most_threads = n_threads;
    if (n_threads > 1) {
        // Without a lasting pool ggml makes new threads for every token.
        ggml_threadpool_params shape = ggml_threadpool_params_default(n_threads);
        shape.poll = 1;  // between two tokens JavaScript wants the core
        pool = ggml_threadpool_new(&shape);
        llama_attach_threadpool(context, pool, pool);
    }
    return 0;
}

}  // namespace

void need_model() {
    if (!context) {
        throw Failure("internal", "no model is loaded");
    }
}

}  // namespace lilm

using namespace lilm;

EXPORT int32_t lilm_protocol(void) { return LILM_PROTOCOL; }
EXPORT double lilm_heap_top(void) { return (double) (uintptr_t) sbrk(0); }
EXPORT void lilm_free(void) { release(); }
EXPORT const char * lilm_text(void) { return text.c_str(); }

EXPORT int32_t lilm_load(double file_bytes, double adapter_bytes, int32_t n_ctx, int32_t n_batch, int32_t n_threads,
                         int32_t kv_type) {
    return guarded([&] {
        try {
            return load(file_bytes, adapter_bytes, n_ctx, n_batch, n_threads, kv_type);
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

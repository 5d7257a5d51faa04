// One vector for a text.
#include "state.h"

#include <algorithm>
#include <cmath>

using namespace lilm;

namespace {

std::vector<float> embedding;

// A context of its own, as long as the text and gone after it: the chat's stays as it is, and no memory is held for what
// few pages use.
struct Embedder {
    llama_context * context;

    // As the model says; those that say nothing, as chat models do, the mean.
    static enum llama_pooling_type pooling() {
        const enum llama_pooling_type own = ::llama_pooling_type(lilm::context);
        return own == LLAMA_POOLING_TYPE_CLS || own == LLAMA_POOLING_TYPE_LAST ? own : LLAMA_POOLING_TYPE_MEAN;
    }

    explicit Embedder(int32_t n) {
        llama_context_params wish = llama_context_default_params();
        wish.n_ctx = wish.n_batch = wish.n_ubatch = n;
        wish.n_threads = wish.n_threads_batch = most_threads;
        wish.embeddings   = true;
        wish.pooling_type = pooling();
        wish.no_perf      = true;
        context           = llama_init_from_model(model, wish);
        if (!context) {
            fail_from_log("no memory for the embedding");
        }
        llama_set_abort_callback(context, asked_to_stop, nullptr);
        if (pool) {
            llama_attach_threadpool(context, pool, pool);
        }
    }

    ~Embedder() { llama_free(context); }
};

}  // namespace

EXPORT const float * lilm_embedding(void) { return embedding.data(); }

EXPORT int32_t lilm_embed(const int32_t * tokens, int32_t n) {
    return guarded([&] {
        need_model();
        if (n < 1) {
            throw Failure("internal", "the text has no tokens");
        }
        if (n > (int32_t) llama_n_ctx(context)) {
            throw Failure("context_full", "the text has " + std::to_string(n) + " tokens and the context holds " +
                                              std::to_string(llama_n_ctx(context)));
        }
        forget_log();
        const Embedder           embedder(n);
        std::vector<llama_token> text(tokens, tokens + n);
        const int32_t            rc = llama_decode(embedder.context, llama_batch_get_one(text.data(), n));
        if (rc == 2) {
            throw Failure("aborted", "the evaluation was stopped");
        }
        if (rc != 0) {
            fail_from_log("the embedding failed");
        }
        const int32_t size = llama_model_n_embd(model);
        const float * pooled = llama_get_embeddings_seq(embedder.context, 0);
        double        sum  = 0;
        for (int32_t i = 0; i < size; i++) {
            sum += (double) pooled[i] * pooled[i];
        }
        embedding.assign(pooled, pooled + size);
        for (float & value : embedding) {
            value /= (float) std::sqrt(std::max(sum, 1e-24));
        }
        return size;
    });
}

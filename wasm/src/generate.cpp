// The context's evaluation and the choice of tokens.
#include "generate.h"

#include "characters.h"
#include "state.h"

#include <algorithm>
#include <cmath>

namespace lilm {

namespace {

constexpr float LARGEST_GAP = 1e6f;  // where nothing else may come; JSON has no infinity

llama_sampler * sampler = nullptr;
Characters      characters;
float           gap     = 0;

// Evaluate wanted[evaluated, evaluated + n).
void evaluate(size_t n) {
    forget_log();
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

}  // namespace

void forget_sampler() {
    llama_sampler_free(sampler);
    sampler = nullptr;
    characters.forget();
}

}  // namespace lilm

using namespace lilm;

EXPORT int32_t lilm_set_threads(int32_t n) {
    return guarded([&] {
        need_model();
        threads = std::clamp(n, 1, most_threads);
        llama_set_n_threads(context, threads, most_threads);  // a prompt's long sums gain from each
        return threads;
    });
}

EXPORT int32_t lilm_try_token(void) {
    return guarded([&] {
        need_model();
        if (evaluated < llama_n_ctx(context)) {
            const std::vector<llama_token> kept = wanted;
            wanted.resize(evaluated);
            wanted.push_back(0);
            try {
                evaluate(1);
            } catch (...) {
                wanted = kept;
                throw;
            }
            wanted = kept;
            evaluated--;
            if (!llama_memory_seq_rm(llama_get_memory(context), 0, (llama_pos) evaluated, -1)) {
                llama_memory_clear(llama_get_memory(context), true);
                evaluated = 0;
            }
        }
        return 0;
    });
}

EXPORT const float * lilm_logits(void) { return context && evaluated ? llama_get_logits_ith(context, -1) : nullptr; }
EXPORT float lilm_gap(void) { return gap; }
EXPORT int32_t lilm_n_ctx_used(void) { return (int32_t) evaluated; }

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
        characters.begin(llama_model_get_vocab(model));
        return 0;
    });
}

EXPORT int32_t lilm_sample(void) {
    return guarded([&] {
        need_model();
        if (!sampler || evaluated == 0) {
            throw Failure("internal", "nothing is evaluated yet");
        }
        float *       logits  = llama_get_logits_ith(context, -1);
        const int32_t n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
        characters.mask(logits);
        float first = -INFINITY, second = -INFINITY;
        for (int32_t i = 0; i < n_vocab; i++) {
            if (logits[i] > first) {
                second = first;
                first  = logits[i];
            } else if (logits[i] > second) {
                second = logits[i];
            }
        }
        gap = std::min(first - second, LARGEST_GAP);
        const llama_token token = llama_sampler_sample(sampler, context, -1);
        characters.accept(token);
        return token;
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

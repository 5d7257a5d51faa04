// A GGUF goes on with a prompt. Text to stdout as it comes, one line of JSON figures to stderr at the end.
//   lilm-wasi MODEL N_CTX N_PREDICT TEMPERATURE TOP_K TOP_P MIN_P REPEAT_PENALTY SEED   < prompt
// The prompt is a list of special tokens, each a line "s ID", and of texts, in which none is looked for, each a line
// "t BYTES" and its bytes.
// Temperature 0 takes the most likely token. Exit code 1 and "error: …" on stderr for what cannot be done.
#include "characters.h"
#include "llama.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

int fail(const std::string & what) {
    fprintf(stderr, "error: %s\n", what.c_str());
    return 1;
}

std::string first_error;

void keep_errors(ggml_log_level level, const char * line, void *) {
    if (level == GGML_LOG_LEVEL_ERROR && first_error.empty()) {
        first_error = line;
        first_error.erase(first_error.find_last_not_of('\n') + 1);
    }
}

std::string all_of(FILE * file) {
    std::string text;
    char        buffer[4096];
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, file)) > 0;) {
        text.append(buffer, n);
    }
    return text;
}

// The prompt's tokens, after BOS where the model wants it; none when the prompt is not written as it should be.
std::vector<llama_token> read_prompt(const llama_vocab * vocab, const std::string & prompt) {
    std::vector<llama_token> tokens;
    size_t                   blank = 0;  // tokens of white space at the start
    for (size_t at = 0; at < prompt.size();) {
        const size_t line = prompt.find('\n', at);
        const long   n    = strtol(prompt.c_str() + at + 1, nullptr, 10);
        if (line == std::string::npos || n < 0) {
            return {};
        }
        if (prompt[at] == 's') {
            tokens.push_back(n);
            at = line + 1;
            continue;
        }
        const std::string text = prompt.substr(line + 1, n);
        const size_t      had  = tokens.size();
        tokens.resize(had + text.size() + 8);
        const int count = llama_tokenize(vocab, text.data(), text.size(), tokens.data() + had, text.size() + 8, false, false);
        if (count < 0) {
            return {};
        }
        tokens.resize(had + count);
        if (blank == had && text.find_first_not_of(" \t\r\n") == std::string::npos) {
            blank = tokens.size();
        }
        at = line + 1 + text.size();
    }
    const llama_token bos = llama_vocab_bos(vocab);
    if (llama_vocab_get_add_bos(vocab) && (blank == tokens.size() || tokens[blank] != bos)) {  // a template may write it
        tokens.insert(tokens.begin(), bos);
    }
    return tokens;
}

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

llama_sampler * make_sampler(char ** values, int32_t n_vocab) {
    const float temperature = atof(values[0]);
    auto *      chain       = llama_sampler_chain_init(llama_sampler_chain_default_params());
    llama_sampler_chain_add(chain, llama_sampler_init_penalties(n_vocab, 64, atof(values[4]), 0, 0));
    if (temperature <= 0) {
        llama_sampler_chain_add(chain, llama_sampler_init_greedy());
        return chain;
    }
    llama_sampler_chain_add(chain, llama_sampler_init_top_k(atoi(values[1])));
    llama_sampler_chain_add(chain, llama_sampler_init_top_p(atof(values[2]), 1));
    llama_sampler_chain_add(chain, llama_sampler_init_min_p(atof(values[3]), 1));
    llama_sampler_chain_add(chain, llama_sampler_init_temp(temperature));
    llama_sampler_chain_add(chain, llama_sampler_init_dist(strtoul(values[5], nullptr, 10)));
    return chain;
}

}  // namespace

int main(int argc, char ** argv) {
    if (argc != 10) {
        return fail("wants MODEL N_CTX N_PREDICT TEMPERATURE TOP_K TOP_P MIN_P REPEAT_PENALTY SEED");
    }
    llama_log_set(keep_errors, nullptr);
    auto * model = llama_model_load_from_file(argv[1], llama_model_default_params());
    if (!model) {
        return fail(first_error.empty() ? "cannot load the model" : first_error);
    }
    auto params      = llama_context_default_params();
    params.n_ctx     = atoi(argv[2]);
    params.n_batch   = params.n_ubatch = 256;
    params.n_threads = params.n_threads_batch = 1;
    auto * context = llama_init_from_model(model, params);
    if (!context) {
        return fail(first_error.empty() ? "no memory for the context" : first_error);
    }
    const auto * vocab  = llama_model_get_vocab(model);
    auto         tokens = read_prompt(vocab, all_of(stdin));
    const int    count  = tokens.size();
    const int    n_ctx  = llama_n_ctx(context);
    if (count <= 0 || count >= n_ctx) {
        return fail("the prompt has " + std::to_string(count) + " tokens, the context " + std::to_string(n_ctx));
    }

    const double begun = now();
    for (int at = 0; at < count; at += params.n_batch) {
        const int part = std::min<int>(params.n_batch, count - at);
        if (llama_decode(context, llama_batch_get_one(tokens.data() + at, part))) {
            return fail(first_error.empty() ? "llama_decode failed" : first_error);
        }
    }
    const double started   = now();
    auto *       sampler   = make_sampler(argv + 4, llama_vocab_n_tokens(vocab));
    for (int at = 0; at < count; at++) {  // penalties look at the prompt too
        llama_sampler_accept(sampler, tokens[at]);
    }
    const int    n_predict = std::min(atoi(argv[3]), n_ctx - count);
    int          written   = 0;
    std::string  begun_text;  // up to half a character
    lilm::Characters characters;
    characters.begin(vocab);
    for (; written < n_predict; written++) {
        characters.mask(llama_get_logits_ith(context, -1));
        llama_token token = llama_sampler_sample(sampler, context, -1);
        characters.accept(token);
        if (llama_vocab_is_eog(vocab, token)) {
            break;
        }
        char      piece[256];
        const int size = llama_token_to_piece(vocab, token, piece, sizeof piece, 0, false);
        begun_text.append(piece, std::max(size, 0));
        if (characters.whole()) {
            fwrite(begun_text.data(), 1, begun_text.size(), stdout);
            fflush(stdout);
            begun_text.clear();
        }
        if (written + 1 < n_predict && llama_decode(context, llama_batch_get_one(&token, 1))) {
            return fail(first_error.empty() ? "llama_decode failed" : first_error);
        }
    }
    fprintf(stderr, "{\"prompt_tokens\": %d, \"prompt_seconds\": %.4f, \"tokens\": %d, \"seconds\": %.4f}\n", count,
            started - begun, written, now() - started);
    return 0;
}

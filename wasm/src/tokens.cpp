// Text to tokens and back.
#include "state.h"

#include "chat.h"

#include <algorithm>

namespace lilm {

namespace {

std::vector<llama_token> tokens;  // answer of lilm_tokenize*

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

struct Special {
    std::string text;
    llama_token id;
};

// The tokens that text must not become, longest first.
std::vector<Special> specials() {
    const llama_vocab *  vocab = llama_model_get_vocab(model);
    const llama_token    bos   = llama_vocab_bos(vocab);  // some files do not mark it as special
    std::vector<Special> found;
    for (llama_token id = 0; id < llama_vocab_n_tokens(vocab); id++) {
        if (id == bos || llama_vocab_get_attr(vocab, id) & (LLAMA_TOKEN_ATTR_CONTROL | LLAMA_TOKEN_ATTR_UNKNOWN)) {
            found.push_back({ llama_vocab_get_text(vocab, id), id });
        }
    }
    std::sort(found.begin(), found.end(),
              [](const Special & a, const Special & b) { return a.text.size() > b.text.size(); });
    return found;
}

// Does the template begin with BOS, white space aside?
bool writes_bos(const std::vector<ChatPart> & parts, const std::string & bos) {
    std::string opening;
    for (const auto & part : parts) {
        if (part.typed && !part.text.empty()) {
            break;
        }
        opening += part.text;
    }
    opening.erase(0, opening.find_first_not_of(" \t\r\n"));
    return !bos.empty() && opening.compare(0, bos.size(), bos) == 0;
}

// The chat's tokens, as lilm/chat/tokens.py makes them: special ones in the template's own text, and what is between
// them in stretches, words and all, without looking for special ones.
void tokenize(const std::vector<ChatPart> & parts) {
    const auto               known = specials();
    std::vector<llama_token> ids;
    std::string              stretch, own;
    const auto end_stretch = [&] {
        if (!stretch.empty()) {
            tokenize(stretch, false, false);
            ids.insert(ids.end(), tokens.begin(), tokens.end());
            stretch.clear();
        }
    };
    const auto end_own = [&] {
        for (size_t at = 0; at < own.size();) {
            const auto here = std::find_if(known.begin(), known.end(), [&](const Special & one) {
                return !one.text.empty() && own.compare(at, one.text.size(), one.text) == 0;
            });
            if (here == known.end()) {
                stretch += own[at++];
            } else {
                end_stretch();
                ids.push_back(here->id);
                at += here->text.size();
            }
        }
        own.clear();
    };
    for (const auto & part : parts) {
        if (!part.typed) {
            own += part.text;
        } else if (!part.text.empty()) {
            end_own();
            stretch += part.text;
        }
    }
    end_own();
    end_stretch();
    const llama_vocab * vocab = llama_model_get_vocab(model);
    const llama_token   bos   = llama_vocab_bos(vocab);
    if (llama_vocab_get_add_bos(vocab) && !writes_bos(parts, llama_vocab_get_text(vocab, bos))) {
        ids.insert(ids.begin(), bos);
    }
    tokens = ids;
}

std::string special_piece(llama_token token) { return token == LLAMA_TOKEN_NULL ? "" : piece(token, true); }

}  // namespace

}  // namespace lilm

using namespace lilm;

EXPORT int32_t * lilm_tokens(void) { return tokens.data(); }

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
        std::vector<ChatPart> parts;
        try {
            parts = render_chat(source, std::string(messages_json, n_bytes), bos, special_piece(llama_vocab_eos(vocab)));
        } catch (const std::exception & refusal) {
            throw Failure("unsupported", std::string("the model's chat template failed: ") + refusal.what());
        }
        tokenize(parts);
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

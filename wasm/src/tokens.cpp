// Text to tokens and back.
#include "state.h"

#include "chat.h"

#include <algorithm>
#include <cctype>

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

void longest_first(std::vector<Special> & found) {
    std::sort(found.begin(), found.end(),
              [](const Special & a, const Special & b) { return a.text.size() > b.text.size(); });
}

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
    longest_first(found);
    return found;
}

// Of the first character, UTF-8.
size_t character(const std::string & of, size_t at = 0) {
    const unsigned char first = of[at];
    return first < 0xc0 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

bool is_sign(const std::string & one) {
    if (one.size() == 1) {
        return std::ispunct((unsigned char) one[0]) && one[0] != '_';
    }
    return one.compare(0, 2, "\xe3\x80") == 0 || one.compare(0, 2, "\xef\xbc") == 0;  // CJK's, and wide ones
}

// As <|user|>, and neither a word nor white space nor punctuation.
bool is_mark(const std::string & word) {
    size_t last = word.size();
    while (last > 0 && ((unsigned char) word[last - 1] & 0xc0) == 0x80) {
        last--;
    }
    if (word.empty() || last <= character(word) || !is_sign(word.substr(0, character(word))) ||
        !is_sign(word.substr(last - 1))) {
        return false;
    }
    return std::any_of(word.begin() + character(word), word.begin() + last - 1,
                       [](unsigned char byte) { return std::isalnum(byte) || byte == '_' || byte >= 0x80; });
}

// The marks in the template's own text that the file does not call special: tokenisers find them in any text.
std::vector<Special> loose_marks(const std::vector<ChatPart> & parts) {
    const llama_vocab *  vocab = llama_model_get_vocab(model);
    std::vector<Special> found;
    for (llama_token id = 0; id < llama_vocab_n_tokens(vocab); id++) {
        if (!(llama_vocab_get_attr(vocab, id) & LLAMA_TOKEN_ATTR_USER_DEFINED)) {
            continue;
        }
        const std::string word = llama_vocab_get_text(vocab, id);
        if (is_mark(word) && std::any_of(parts.begin(), parts.end(), [&](const ChatPart & part) {
                return !part.typed && part.text.find(word) != std::string::npos;
            })) {
            found.push_back({ word, id });
        }
    }
    return found;
}

// Text in which `marks` are words: cut after its first character, none is found.
void tokenize_words(const std::string & words, const std::vector<Special> & marks) {
    std::vector<size_t> cuts;
    for (const Special & mark : marks) {
        for (size_t at = words.find(mark.text); at != std::string::npos; at = words.find(mark.text, at + 1)) {
            if (llama_vocab_type(llama_model_get_vocab(model)) != LLAMA_VOCAB_TYPE_BPE) {
                // Others put a space before each part.
                throw Failure("unsupported", mark.text + " stands in it, with which a turn begins or ends: this file takes it for no text");
            }
            cuts.push_back(at + character(words, at));
        }
    }
    cuts.push_back(words.size());
    std::sort(cuts.begin(), cuts.end());
    std::vector<llama_token> ids;
    size_t                   begin = 0;
    for (size_t cut : cuts) {
        if (cut > begin) {
            tokenize(words.substr(begin, cut - begin), false, false);
            ids.insert(ids.end(), tokens.begin(), tokens.end());
            begin = cut;
        }
    }
    tokens = ids;
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
    const auto               marks = loose_marks(parts);
    auto                     known = specials();
    known.insert(known.end(), marks.begin(), marks.end());
    longest_first(known);
    std::vector<llama_token> ids;
    std::string              stretch, own;
    const auto end_stretch = [&] {
        if (!stretch.empty()) {
            tokenize_words(stretch, marks);
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

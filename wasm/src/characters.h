// Text is drawn in whole characters: no token is drawn whose bytes cannot go on what stands there as UTF-8, nor one that
// writes U+FFFD, which readers put for bytes that are none. lilm/llamacpp/characters.py does the same natively.
#pragma once

#include "llama.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

namespace lilm {

class Characters {
  public:
    // A text begins. The vocabulary is read once, until forget().
    void begin(const llama_vocab * vocab) {
        state = BETWEEN;
        if (n_vocab == 0) {
            read(vocab);
        }
    }

    void forget() {
        n_vocab = 0;
        odd.clear();
    }

    // Take the logits of what must not come next away; one token at least is left.
    void mask(float * logits) const {
        std::vector<std::pair<llama_token, float>> kept;
        for (const Odd & one : odd) {
            if (state == BETWEEN && one.ends[state] == NOWHERE) {
                logits[one.id] = -INFINITY;
            } else if (state != BETWEEN && one.ends[state] != NOWHERE) {
                kept.push_back({ one.id, logits[one.id] });
            }
        }
        if (state != BETWEEN) {
            std::fill_n(logits, n_vocab, -INFINITY);
            for (const auto & [id, logit] : kept) {
                logits[id] = logit;
            }
        }
    }

    // The token that was drawn.
    void accept(llama_token token) {
        const auto found = std::lower_bound(odd.begin(), odd.end(), token,
                                            [](const Odd & one, llama_token id) { return one.id < id; });
        state = found != odd.end() && found->id == token ? std::max<int>(found->ends[state], BETWEEN) : BETWEEN;
    }

    // Does the text end with a whole character?
    bool whole() const { return state == BETWEEN; }

  private:
    static constexpr int NOWHERE = -1, BETWEEN = 0, STATES = 10;

    // Inside of a character: which bytes may come, and the state after them.
    struct Inside {
        uint8_t first, last;
        int8_t  next;
    };
    static constexpr Inside INSIDE[STATES] = {
        {},
        { 0x80, 0xBF, BETWEEN },  // 1: one more byte
        { 0x80, 0xBF, 1 },        // 2: two more
        { 0x80, 0xBF, 2 },        // 3: three more
        { 0xA0, 0xBF, 1 },        // 4: after E0, whose other bytes would be too long a form
        { 0x80, 0x9F, 1 },        // 5: after ED, whose other bytes would be half a surrogate pair
        { 0x90, 0xBF, 2 },        // 6: after F0, as after E0
        { 0x80, 0x8F, 2 },        // 7: after F4, whose other bytes are past U+10FFFF
        { 0x80, 0xBF, 1 },        // 8: after EF, with which U+FFFD begins
        { 0x80, 0xBF, BETWEEN },  // 9: after EF BF
    };

    // A token that is not whole characters alone. ends: the state after it, by the state before.
    struct Odd {
        llama_token                id;
        std::array<int8_t, STATES> ends;
    };

    int              state = BETWEEN;
    int32_t          n_vocab = 0;
    std::vector<Odd> odd;  // by id

    static int step(int state, uint8_t byte) {
        if (state == BETWEEN) {
            return byte < 0x80                  ? BETWEEN
                   : byte < 0xC2 || byte > 0xF4 ? NOWHERE
                   : byte < 0xE0                ? 1
                   : byte == 0xE0               ? 4
                   : byte == 0xED               ? 5
                   : byte == 0xEF               ? 8
                   : byte < 0xF0                ? 2
                   : byte == 0xF0               ? 6
                   : byte == 0xF4               ? 7
                                                : 3;
        }
        const Inside & here = INSIDE[state];
        if (byte < here.first || byte > here.last || (state == 9 && byte == 0xBD)) {
            return NOWHERE;
        }
        return state == 8 && byte == 0xBF ? 9 : here.next;
    }

    void read(const llama_vocab * vocab) {
        n_vocab = llama_vocab_n_tokens(vocab);
        std::vector<char> piece(256);
        for (llama_token id = 0; id < n_vocab; id++) {
            int32_t n = llama_token_to_piece(vocab, id, piece.data(), (int32_t) piece.size(), 0, false);
            if (n < 0) {
                piece.resize(-n);
                n = llama_token_to_piece(vocab, id, piece.data(), (int32_t) piece.size(), 0, false);
            }
            Odd one = { id, {} };
            for (int from = 0; from < STATES; from++) {
                int at = n > 0 || from == BETWEEN ? from : NOWHERE;  // no end of text inside of a character
                for (int32_t i = 0; i < n && at != NOWHERE; i++) {
                    at = step(at, (uint8_t) piece[i]);
                }
                one.ends[from] = (int8_t) at;
            }
            const bool whole = one.ends[BETWEEN] == BETWEEN &&
                               std::all_of(one.ends.begin() + 1, one.ends.end(), [](int8_t at) { return at == NOWHERE; });
            if (!whole) {
                odd.push_back(one);
            }
        }
        // Not every vocabulary has all bytes: nothing is begun that it cannot end.
        std::array<bool, STATES> ends_well = { true };
        for (int round = 0; round < STATES; round++) {
            for (const Odd & one : odd) {
                for (int from = 0; from < STATES; from++) {
                    ends_well[from] = ends_well[from] || (one.ends[from] != NOWHERE && ends_well[one.ends[from]]);
                }
            }
        }
        for (Odd & one : odd) {
            for (int8_t & at : one.ends) {
                at = at != NOWHERE && ends_well[at] ? at : NOWHERE;
            }
        }
    }
};

}  // namespace lilm

// Fast Similarity Sketching: Dahlgaard, Knudsen, Thorup, FOCS 2017, https://arxiv.org/abs/1704.04370.
//
// For sets A and B each row is equal with a probability of exactly their Jaccard similarity, as with t permutations of
// MinHash; but a large set costs one or two hashes an element instead of t.
#pragma once

#include <algorithm>

#include "grams.h"

namespace dedup {

constexpr unsigned MAX_ROWS_BITS = 10;
constexpr unsigned ROUND_BITS = MAX_ROWS_BITS + 1;  // of a row, the highest: the round, below 2t; then the value

// rows[t] for t = 2^bits. Round after round, each gram throws a value into a bin that its hash chooses; from round t
// on all grams throw into bin round - t, so that none stays empty. Of a bin the earliest round, then the least value
// counts; so nothing can change once all are full. `grams` may be put in order and their repetitions left out.
inline void sketch(uint64_t *grams, size_t count, unsigned bits, uint64_t *rows) {
    constexpr uint64_t EMPTY = ~uint64_t(0);
    const size_t t = size_t(1) << bits;
    const unsigned shift = 64 - bits;
    std::fill(rows, rows + t, EMPTY);
    for (size_t i = 0; i < count; ++i) {  // by the grams' own hashes: high bits choose, all compare
        uint64_t &row = rows[grams[i] >> shift];
        row = std::min(row, grams[i]);
    }
    auto empty = std::count(rows, rows + t, EMPTY);
    for (size_t bin = 0; bin < t; ++bin) {
        if (rows[bin] != EMPTY) rows[bin] = rows[bin] << bits >> ROUND_BITS;
    }
    if (empty && count > 8 * t) {  // so many leave a bin empty when they are few that repeat
        std::sort(grams, grams + count);
        count = std::unique(grams, grams + count) - grams;
    }
    for (size_t round = 1; round < 2 * t && empty; ++round) {
        const uint64_t chooser = constant(1024 + round) | 1, key = constant(4096 + round);
        const uint64_t first = uint64_t(round) << (64 - ROUND_BITS);
        for (size_t i = 0; i < count; ++i) {
            uint64_t &row = rows[round < t ? grams[i] * chooser >> shift : round - t];
            if (row < first) continue;
            empty -= row == EMPTY;
            row = std::min(row, first | fold(grams[i], key) >> ROUND_BITS);
        }
    }
}

// Hash of the rows of one band.
inline uint64_t band_hash(const uint64_t *rows, size_t count, size_t band) {
    uint64_t hash = constant(8192 + band);
    for (size_t i = 0; i < count; ++i) hash = fold(hash ^ rows[i], constant(2));
    return hash;
}

}  // namespace dedup

// The set of a text's grams, with which other texts are compared.
#pragma once

#include <algorithm>
#include <vector>

#include "mix.h"

namespace dedup {

// Open addressing with linear probing; grams are hashes already.
class GramTable {
public:
    // Becomes the set of `grams`. threshold: of the comparisons to come.
    void fill(const uint64_t *grams, size_t count, double threshold) {
        unsigned bits = 4;
        while (static_cast<double>(size_t(1) << bits) * threshold < 3 * static_cast<double>(count)) ++bits;
        threshold_ = threshold;
        keys_.assign(size_t(1) << bits, EMPTY);
        seen_.resize(size_t(1) << bits);  // what is there is of rounds gone by
        const Slots slots{keys_.data(), 64 - bits, keys_.size() - 1};
        size_t size = 0;
        for (size_t i = 0; i < count; ++i) {
            const uint64_t key = key_of(grams[i]);
            const size_t at = slots.find(key);
            size += slots.keys[at] != key;
            slots.keys[at] = key;
        }
        size_ = size;
        shift_ = 64 - bits;
    }

    size_t bytes() const { return keys_.capacity() * (sizeof(keys_[0]) + sizeof(seen_[0])); }

    // Whether the Jaccard similarity of this set and that of `grams` is threshold or more.
    bool similar(const uint64_t *grams, size_t count) {
        if (!enough(std::min(size_, count), size_)) return false;
        if (++round_ == 0) {
            std::fill(seen_.begin(), seen_.end(), uint8_t(0));
            round_ = 1;
        }
        const Slots slots{keys_.data(), shift_, keys_.size() - 1};
        uint8_t *const seen = seen_.data();
        const uint8_t round = round_;
        size_t shared = 0;
        added_.clear();
        for (size_t i = 0; i < count; ++i) {
            const uint64_t key = key_of(grams[i]);
            const size_t at = slots.find(key);
            if (slots.keys[at] == key) {
                shared += seen[at] != round;
            } else {
                // Not one of ours: put in, so that its repetitions are told, and taken out again below.
                slots.keys[at] = key;
                added_.push_back(at);
                if (!enough(size_, size_ + added_.size())) break;
            }
            seen[at] = round;
        }
        for (auto at = added_.rbegin(); at != added_.rend(); ++at) keys_[*at] = EMPTY;
        return enough(shared, size_ + added_.size());
    }

private:
    static constexpr uint64_t EMPTY = 0;

    struct Slots {  // in registers, whatever is written
        uint64_t *const keys;
        const unsigned shift;
        const size_t mask;

        // Where the key is, or the empty slot where it belongs.
        size_t find(uint64_t key) const {
            size_t at = key >> shift;
            while (keys[at] != key && keys[at] != EMPTY) at = (at + 1) & mask;
            return at;
        }
    };

    static uint64_t key_of(uint64_t gram) { return gram == EMPTY ? 1 : gram; }

    bool enough(size_t shared, size_t together) const {
        return static_cast<double>(shared) >= threshold_ * static_cast<double>(together);
    }

    double threshold_ = 1;
    unsigned shift_ = 64;
    uint8_t round_ = 0;
    size_t size_ = 0;
    std::vector<uint64_t> keys_;
    std::vector<uint8_t> seen_;  // the round in which a slot was last met
    std::vector<size_t> added_;
};

}  // namespace dedup

// Runs of characters that many texts share, wherever they stand.
//
// Winnowing: Schleimer, Wilkerson, Aiken, SIGMOD 2003. Of every `window` grams in a row the one with the least hash is
// picked, so that texts with a run of size + window - 1 characters in common pick the same gram of it.
#pragma once

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "utf8.h"

namespace dedup {

// size: characters of a gram.
struct Shape {
    size_t size, window;
};

// Hash of each gram of a text, a polynomial of its code points modulo 2^64, mixed; reused for the next text.
class Grams {
public:
    explicit Grams(Shape shape) : shape_(shape) {
        for (size_t i = 0; i < shape.size; ++i) power_ *= BASE;
    }

    // Answers how many; none for a text that is too short for a run.
    size_t fill(const Text &text) {
        if (text.size < shape_.size + shape_.window - 1) {
            hashes_.clear();
        } else if (text.width <= 1) {
            fill_units<uint8_t>(text);
        } else if (text.width == 2) {
            fill_units<uint16_t>(text);
        } else {
            fill_units<uint32_t>(text);
        }
        return hashes_.size();
    }

    uint64_t operator[](size_t place) const { return hashes_[place]; }

    // Places of the picked grams, ascending; neighbours are `window` apart at most.
    const std::vector<size_t> &picked() {
        picked_.clear();
        if (hashes_.empty()) return picked_;
        size_t least = 0;
        for (size_t end = 1; end < hashes_.size(); ++end) {
            if (end - least >= shape_.window) {  // the least one left the window
                picked_.push_back(least);
                for (size_t place = ++least + 1; place <= end; ++place) {
                    if (hashes_[place] <= hashes_[least]) least = place;
                }
            } else if (hashes_[end] <= hashes_[least]) {
                if (end >= shape_.window) picked_.push_back(least);
                least = end;
            }
        }
        picked_.push_back(least);
        return picked_;
    }

private:
    static constexpr uint64_t BASE = 0x9E3779B97F4A7C15;

    template <typename Unit>
    void fill_units(const Text &text) {
        const auto at = [&](size_t place) {
            Unit unit;
            std::memcpy(&unit, text.data + place * sizeof unit, sizeof unit);
            return uint64_t(unit) + 1;
        };
        hashes_.resize(text.size - shape_.size + 1);
        uint64_t sum = 0;
        for (size_t i = 0; i < shape_.size; ++i) sum = sum * BASE + at(i);
        hashes_[0] = mix(sum, constant(2));
        for (size_t i = shape_.size; i < text.size; ++i) {
            sum = sum * BASE + at(i) - power_ * at(i - shape_.size);
            hashes_[i - shape_.size + 1] = mix(sum, constant(2));
        }
    }

    const Shape shape_;
    uint64_t power_ = 1;
    std::vector<uint64_t> hashes_;
    std::vector<size_t> picked_;
};

// Grams that stand in many texts: hash -> texts.
using Frequent = std::unordered_map<uint64_t, uint64_t>;

// Places of grams, `stop` excluded.
struct Span {
    size_t start, stop;
};

// Where runs may be: around the frequent ones of the picked grams. A run begins up to window - 1 grams before the first
// of its own that every text picks, and ends as many after the last; ascending, none over another.
inline std::vector<Span> spans_of(const Grams &grams, size_t count, const std::vector<size_t> &picked, size_t window,
                                  const Frequent &frequent) {
    std::vector<Span> spans;
    for (const size_t place : picked) {
        if (!frequent.count(grams[place])) continue;
        const Span span{place - std::min(place, window - 1), std::min(count, place + window)};
        if (spans.empty() || span.start > spans.back().stop) {
            spans.push_back(span);
        } else {
            spans.back().stop = span.stop;
        }
    }
    return spans;
}

}  // namespace dedup

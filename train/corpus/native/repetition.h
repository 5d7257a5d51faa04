// Gopher's repetition figures on character n-grams, by rolling hashes.
#pragma once

#include "text.h"

#include <algorithm>

namespace text_stats {

// Open addressing on 64-bit hashes. Slots of earlier texts have another epoch, so nothing is cleared between texts.
template <class Slot>
class HashTable {
  public:
    // Mask of a table with room for `entries`; what was there is forgotten.
    std::size_t renew(std::size_t entries) {
        std::size_t wanted = 64;
        while (wanted < 2 * entries) wanted *= 2;
        if (wanted > slots_.size() || ++epoch_ == 0) {
            slots_.assign(std::max(wanted, slots_.size()), Slot{});
            epoch_ = 1;
        }
        return wanted - 1;
    }

    Slot &slot(std::uint64_t hash, std::size_t mask, bool &fresh) {
        const auto mark = static_cast<std::uint32_t>(hash >> 32);
        for (std::size_t at = hash & mask;; at = (at + 1) & mask) {
            Slot &entry = slots_[at];
            fresh = entry.epoch != epoch_;
            if (fresh) {
                entry.mark = mark;
                entry.epoch = epoch_;
                return entry;
            }
            if (entry.mark == mark) return entry;
        }
    }

  private:
    std::vector<Slot> slots_;
    std::uint32_t epoch_ = 0;
};

class Repetition {
  public:
    // Share of characters inside n-grams that stood before (the first occurrence does not count).
    template <class Char>
    double duplicates(Text<Char> text, std::size_t n) {
        if (text.size <= n) return 0;
        const std::size_t mask = seen_.renew(text.size);
        std::size_t covered = 0, end = 0;
        rolling(text, n, [&](std::size_t at, std::uint64_t hash) {
            bool fresh;
            seen_.slot(hash, mask, fresh);
            if (!fresh) {
                covered += at + n - std::max(at, end);
                end = at + n;
            }
        });
        return static_cast<double>(covered) / static_cast<double>(text.size);
    }

    // Share of characters inside the n-gram that covers most of them, if it stands `few` times or more.
    template <class Char>
    double top(Text<Char> text, std::size_t n, std::uint32_t few) {
        if (text.size <= n) return 0;
        const std::size_t mask = counted_.renew(text.size);
        std::uint32_t best = 0;
        rolling(text, n, [&](std::size_t at, std::uint64_t hash) {
            bool fresh;
            Counted &entry = counted_.slot(hash, mask, fresh);
            if (fresh) entry.count = entry.covered = entry.end = 0;
            entry.count += 1;
            const auto start = static_cast<std::uint32_t>(at), end = static_cast<std::uint32_t>(at + n);
            entry.covered += end - std::max(start, entry.end);
            entry.end = end;
            if (entry.count >= few) best = std::max(best, entry.covered);
        });
        return static_cast<double>(best) / static_cast<double>(text.size);
    }

    // No n-gram of this or a greater length stands more often. Counts in buckets: never too low.
    template <class Char>
    std::uint32_t most_often(Text<Char> text, std::size_t n) {
        if (text.size <= n) return 1;
        std::size_t buckets = 256;
        while (buckets < 2 * text.size && buckets < 65536) buckets *= 2;
        counts_.assign(buckets, 0);
        std::uint32_t most = 0;
        rolling(text, n, [&](std::size_t, std::uint64_t hash) {
            most = std::max(most, ++counts_[(hash >> 40) & (buckets - 1)]);
        });
        return most;
    }

  private:
    struct Seen {
        std::uint32_t mark, epoch;
    };
    struct Counted : Seen {
        std::uint32_t count, covered, end;
    };

    template <class Char, class Visit>
    static void rolling(Text<Char> text, std::size_t n, Visit &&visit) {
        constexpr std::uint64_t base = 0x9E3779B97F4A7C15u;
        std::uint64_t power = 1, hash = 0;
        for (std::size_t i = 1; i < n; ++i) power *= base;
        for (std::size_t i = 0; i + 1 < n; ++i) hash = hash * base + text[i] + 1;
        for (std::size_t at = 0; at + n <= text.size; ++at) {
            hash = hash * base + text[at + n - 1] + 1;
            std::uint64_t mixed = (hash ^ (hash >> 31)) * 0xBF58476D1CE4E5B9u;
            visit(at, mixed ^ (mixed >> 31));
            hash -= (text[at] + std::uint64_t{1}) * power;
        }
    }

    HashTable<Seen> seen_;
    HashTable<Counted> counted_;
    std::vector<std::uint32_t> counts_;
};

}  // namespace text_stats

// Sets of numbers in an array that may lie in a file.
#pragma once

#include <algorithm>
#include <cstdint>

namespace dedup {

// parents[n]: 1 + a lesser number of the same set, or n itself; 0 for a number that was never joined, so that a file
// of zeros, which takes no room on the disk, holds no sets.
class UnionFind {
public:
    explicit UnionFind(uint64_t *parents) : parents_(parents) {}

    void join(uint64_t a, uint64_t b) {
        a = find(a);
        b = find(b);
        parents_[std::max(a, b)] = 1 + std::min(a, b);
        parents_[std::min(a, b)] = 1 + std::min(a, b);
    }

    // 1 + the least number of the set, or 0.
    uint64_t root(uint64_t number) { return parents_[number] ? 1 + find(number) : 0; }

private:
    uint64_t find(uint64_t number) {
        if (!parents_[number]) return number;
        while (parents_[number] != 1 + number) {
            const uint64_t above = parents_[number] - 1;
            number = (parents_[number] = parents_[above]) - 1;  // paths are halved
        }
        return number;
    }

    uint64_t *parents_;
};

}  // namespace dedup

// Which texts share a band hash, and the clusters that edges make of them.
#pragma once

#include <algorithm>
#include <vector>

#include "mix.h"

namespace dedup {

// Groups end to end: group g has members[offsets[g]] to members[offsets[g + 1] - 1].
struct Groups {
    std::vector<uint32_t> members;
    std::vector<uint64_t> offsets{0};
};

// Every group of two or more equal hashes, in the order of their first members; members as they stand in `order`.
inline Groups equal_hashes(const uint64_t *band, const std::vector<uint32_t> &order) {
    const size_t count = order.size();
    unsigned bits = 10;
    while ((size_t(1) << bits) < 2 * count) ++bits;
    constexpr uint32_t NONE = ~uint32_t(0);
    std::vector<uint32_t> slots(size_t(1) << bits, NONE);  // the first position with a hash
    std::vector<uint32_t> first(count), sizes(count);
    for (size_t i = 0; i < count; ++i) {
        const uint64_t hash = band[order[i]];
        // All bits count: in a part of a larger band the high ones may be equal.
        size_t slot = hash * constant(0) >> (64 - bits);
        while (slots[slot] != NONE && band[order[slots[slot]]] != hash) slot = (slot + 1) & (slots.size() - 1);
        if (slots[slot] == NONE) slots[slot] = static_cast<uint32_t>(i);
        first[i] = slots[slot];
        ++sizes[first[i]];
    }
    Groups groups;
    std::vector<uint64_t> places(count);  // of the next member, by the first one
    for (size_t i = 0; i < count; ++i) {
        if (sizes[i] < 2) continue;
        places[i] = groups.offsets.back();
        groups.offsets.push_back(places[i] + sizes[i]);
    }
    groups.members.resize(groups.offsets.back());
    for (size_t i = 0; i < count; ++i) {
        if (sizes[first[i]] > 1) groups.members[places[first[i]]++] = order[i];
    }
    return groups;
}

// Union-find over positions; the root of a cluster is its first position.
class Clusters {
public:
    explicit Clusters(size_t count) : parent_(count) {
        for (size_t i = 0; i < count; ++i) parent_[i] = static_cast<uint32_t>(i);
    }

    uint32_t find(uint32_t position) {
        while (parent_[position] != position) position = parent_[position] = parent_[parent_[position]];
        return position;
    }

    void join(uint32_t a, uint32_t b) {
        a = find(a);
        b = find(b);
        parent_[std::max(a, b)] = std::min(a, b);
    }

private:
    std::vector<uint32_t> parent_;
};

}  // namespace dedup

// Candidates are compared, and those that are alike become edges.
#pragma once

#include <unordered_map>
#include <utility>

#include "buckets.h"
#include "gram_table.h"
#include "grams.h"

namespace dedup {

// Heads of one group. Two texts that are alike, but like none of these, share smaller groups too: those of bands where
// what they have in common with everyone in this one does not decide.
constexpr size_t MAX_HEADS = 64;

struct Edge {
    uint32_t head, member;
};

class Verifier {
public:
    // budget: bytes for the heads' tables of grams, and for answers an eighth of it at most.
    Verifier(const std::vector<Text> &texts, double threshold, size_t budget)
        : texts_(texts), threshold_(threshold), budget_(budget) {
        size_t slots = 1;
        while (slots < 4 * texts.size() && 2 * slots * sizeof(Answer) <= budget / 8) slots *= 2;
        answers_.resize(slots);
    }

    // The edges of every group. A member is compared with the heads of its group in order: the first one that it is
    // like makes an edge; like none, it becomes a head itself while there are fewer than MAX_HEADS. So a group costs
    // time linear in its size, and its edges depend on nothing but its members.
    std::vector<Edge> edges(const Groups &groups) {
        // A pair shares many bands: groups of the same first member follow each other, while its table and answers are
        // at hand. What is kept beyond that would only leave the processor's cache.
        std::vector<std::pair<uint32_t, size_t>> visits;  // first member, group
        for (size_t group = 0; group + 1 < groups.offsets.size(); ++group) {
            if (groups.offsets[group] < groups.offsets[group + 1]) {
                visits.emplace_back(groups.members[groups.offsets[group]], group);
            }
        }
        std::sort(visits.begin(), visits.end());
        std::vector<Edge> found;
        std::vector<uint32_t> heads;
        uint32_t last_first = 0;
        for (const auto &[first, group] : visits) {
            if (first != last_first) places_.clear();
            last_first = first;
            heads.clear();
            for (uint64_t i = groups.offsets[group]; i < groups.offsets[group + 1]; ++i) {
                const uint32_t member = groups.members[i];
                const auto head =
                    std::find_if(heads.begin(), heads.end(), [&](uint32_t one) { return alike(one, member); });
                if (head != heads.end()) {
                    found.push_back({*head, member});
                } else if (heads.size() < MAX_HEADS) {
                    heads.push_back(member);
                }
            }
        }
        return found;
    }

private:
    struct Answer {
        uint32_t head = 0, member = 0;
        bool known = false, alike = false;
    };

    bool alike(uint32_t head, uint32_t member) {
        const uint64_t pair = uint64_t(head) << 32 | member;
        Answer &answer = answers_[fold(pair ^ constant(0), constant(1)) & (answers_.size() - 1)];
        if (!answer.known || answer.head != head || answer.member != member) {
            answer = {head, member, true, compare(head, member)};
        }
        return answer.alike;
    }

    bool compare(uint32_t head, uint32_t member) {
        if (same(texts_[head], texts_[member])) return true;
        GramTable &grams = table(head);
        if (!counted_ || counted_of_ != member) {
            counted_ = gram_hashes(texts_[member], member_);
            counted_of_ = member;
        }
        return grams.similar(member_.grams.data(), counted_);
    }

    // Made when it is asked for, in the memory of a forgotten one.
    GramTable &table(uint32_t head) {
        const auto found = places_.find(head);
        if (found != places_.end()) return tables_[found->second];
        if (tables_bytes_ > budget_) {
            places_.clear();
            tables_.clear();
            tables_bytes_ = 0;
        }
        const size_t place = places_.size();
        if (place == tables_.size()) tables_.emplace_back();
        const size_t count = gram_hashes(texts_[head], head_);
        tables_bytes_ -= tables_[place].bytes();
        tables_[place].fill(head_.grams.data(), count, threshold_);
        tables_bytes_ += tables_[place].bytes();
        places_.emplace(head, place);
        return tables_[place];
    }

    const std::vector<Text> &texts_;
    const double threshold_;
    const size_t budget_;
    std::vector<Answer> answers_;
    std::vector<GramTable> tables_;
    std::unordered_map<uint32_t, size_t> places_;  // of heads in tables_
    size_t tables_bytes_ = 0;  // of all tables_, forgotten ones too
    Scratch head_, member_;
    uint32_t counted_of_ = 0;
    size_t counted_ = 0;  // grams in member_, of text counted_of_; 0: of none yet
};

}  // namespace dedup

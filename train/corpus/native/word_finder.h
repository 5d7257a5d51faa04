// Many words looked for at once: a filter on the first two characters, then the few words that begin so.
#pragma once

#include "text.h"

#include <algorithm>
#include <string>
#include <unordered_map>

namespace text_stats {

class WordFinder {
  public:
    explicit WordFinder(const std::vector<std::vector<std::u32string>> &lists) : maybe_(1 << 16, false) {
        for (std::size_t list = 0; list < lists.size(); ++list) {
            for (auto word : lists[list]) {
                for (auto &c : word) c = folded(c);
                if (word.size() < 2) throw pybind11::value_error("a word to find needs two characters");
                maybe_[filter(word[0], word[1])] = true;
                words_[pair(word[0], word[1])].push_back({word, list});
            }
        }
        for (auto &entry : words_)
            std::sort(entry.second.begin(), entry.second.end(),
                      [](const Word &a, const Word &b) { return a.text.size() > b.text.size(); });
    }

    // visit(list, at, length) for the leftmost longest words, from left to right, none inside another.
    template <class Char, class Visit>
    void find(Text<Char> text, Visit &&visit) const {
        for (std::size_t at = 0; at + 1 < text.size;) {
            const auto first = folded(text[at]), second = folded(text[at + 1]);
            const Word *found = maybe_[filter(first, second)] ? match(text, at, pair(first, second)) : nullptr;
            if (found) visit(found->list, at, found->text.size());
            at += found ? found->text.size() : 1;
        }
    }

  private:
    struct Word {
        std::u32string text;
        std::size_t list;
    };

    static std::uint32_t folded(std::uint32_t c) { return c >= 'A' && c <= 'Z' ? c | 0x20 : c; }
    static std::uint64_t pair(std::uint32_t first, std::uint32_t second) { return std::uint64_t{first} << 32 | second; }
    static std::size_t filter(std::uint32_t first, std::uint32_t second) { return (first * 509 + second) & 0xFFFF; }

    // Latin and katakana words must not go on: no "sex" in "Essex".
    static bool goes_on(std::uint32_t inside, std::uint32_t outside) {
        return (is_latin(inside) && (is_latin(outside) || is_digit(outside))) ||
               (is_katakana(inside) && is_katakana(outside));
    }

    template <class Char>
    const Word *match(Text<Char> text, std::size_t at, std::uint64_t key) const {
        const auto candidates = words_.find(key);
        if (candidates == words_.end()) return nullptr;
        for (const Word &word : candidates->second) {
            const std::size_t end = at + word.text.size();
            if (end > text.size) continue;
            std::size_t same = 2;
            while (same < word.text.size() && folded(text[at + same]) == word.text[same]) ++same;
            if (same < word.text.size()) continue;
            if (at > 0 && goes_on(word.text.front(), text[at - 1])) continue;
            if (end < text.size && goes_on(word.text.back(), text[end])) continue;
            return &word;
        }
        return nullptr;
    }

    std::vector<char> maybe_;
    std::unordered_map<std::uint64_t, std::vector<Word>> words_;
};

}  // namespace text_stats

// Figures of words between spaces, for languages that have them.
#pragma once

#include "text.h"

#include <bitset>
#include <string>
#include <unordered_map>

namespace text_stats {

enum WordFigure { WORDS, WORD_CHARS, ALPHABETIC, HASHES, ELLIPSES, STOP_WORDS, WORD_FIGURES };

class Words {
  public:
    explicit Words(const std::vector<std::string> &stop_words) {
        for (const auto &word : stop_words) stop_words_.emplace(word, stop_words_.size());
    }

    template <class Char>
    void figures(Text<Char> text, double *row) const {
        std::bitset<64> stop_words;
        std::size_t at = 0;
        while (at < text.size) {
            while (at < text.size && is_space(text[at])) ++at;
            const std::size_t first = at;
            bool alphabetic = false;
            for (; at < text.size && !is_space(text[at]); ++at) {
                const auto c = text[at];
                alphabetic |= is_letter(c);
                row[HASHES] += c == '#';
                const bool third = at >= first + 2 && text[at - 1] == '.' && text[at - 2] == '.';
                row[ELLIPSES] += c == 0x2026 || (c == '.' && third);
            }
            if (at == first) break;
            row[WORDS] += 1;
            row[WORD_CHARS] += static_cast<double>(at - first);
            row[ALPHABETIC] += alphabetic;
            note(text, first, at, stop_words);
        }
        row[STOP_WORDS] = static_cast<double>(stop_words.count());
    }

  private:
    static constexpr std::size_t LONGEST_STOP_WORD = 8;

    template <class Char>
    void note(Text<Char> text, std::size_t first, std::size_t last, std::bitset<64> &stop_words) const {
        while (first < last && !is_letter(text[first])) ++first;
        while (last > first && !is_letter(text[last - 1])) --last;
        if (last == first || last - first > LONGEST_STOP_WORD) return;
        char word[LONGEST_STOP_WORD];
        for (std::size_t at = first; at < last; ++at) {
            if (!is_latin(text[at])) return;
            word[at - first] = static_cast<char>(text[at] | 0x20);
        }
        const auto found = stop_words_.find(std::string(word, last - first));
        if (found != stop_words_.end()) stop_words.set(found->second);
    }

    std::unordered_map<std::string, std::size_t> stop_words_;
};

}  // namespace text_stats

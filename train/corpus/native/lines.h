// Figures of lines and of sentences.
#pragma once

#include "text.h"

#include <algorithm>
#include <unordered_set>

namespace text_stats {

// [from, to) of each line without the white space around it; empty ones are left out.
template <class Char, class Visit>
void each_line(Text<Char> text, Visit &&visit) {
    std::size_t from = 0;
    while (from < text.size) {
        std::size_t end = from;
        while (end < text.size && text[end] != '\n') ++end;
        std::size_t first = from, last = end;
        while (first < last && is_space(text[first])) ++first;
        while (last > first && is_space(text[last - 1])) --last;
        if (last > first) visit(first, last);
        from = end + 1;
    }
}

enum LineFigure { LINES, LINE_CHARS, REPEATED_LINES, REPEATED_CHARS, ELLIPSIS, BULLETS, CLOSED, SHORT, LINE_FIGURES };

template <class Char>
bool ends_in_ellipsis(Text<Char> text, std::size_t first, std::size_t last) {
    const auto end = text[last - 1];
    if (end == 0x2026 || end == 0x2025) return true;
    return (end == '.' || end == 0x30FB) && last - first >= 3 && text[last - 2] == end && text[last - 3] == end;
}

template <class Char>
void line_figures(Text<Char> text, std::size_t short_chars, std::unordered_set<std::uint64_t> &seen, double *row) {
    seen.clear();
    each_line(text, [&](std::size_t first, std::size_t last) {
        const double length = static_cast<double>(last - first);
        std::uint64_t hash = 0x9E3779B97F4A7C15u;
        bool ornament = true;  // × or *** between parts of a text: no repetition
        for (std::size_t at = first; at < last; ++at) {
            hash = (hash ^ text[at]) * 0xBF58476D1CE4E5B9u;
            hash ^= hash >> 29;
            ornament = ornament && !is_letter(text[at]) && !is_digit(text[at]);
        }
        row[LINES] += 1;
        row[LINE_CHARS] += length;
        if (!ornament && !seen.insert(hash).second) {
            row[REPEATED_LINES] += 1;
            row[REPEATED_CHARS] += length;
        }
        row[ELLIPSIS] += ends_in_ellipsis(text, first, last);
        row[BULLETS] += is_one_of(text[first], U"•●○■□▪‣◦-*・");
        row[CLOSED] += is_one_of(text[last - 1], U".!?\"'…。！？」』）");
        row[SHORT] += last - first <= short_chars;
    });
}

enum SentenceFigure { SENTENCES, SENTENCE_CHARS, LONGEST, SENTENCE_FIGURES };

// A sentence ends at the line's end, and at 。！？!? with the marks and brackets that follow.
template <class Char>
void sentence_figures(Text<Char> text, double *row) {
    const auto add = [&](std::size_t length) {
        if (!length) return;
        row[SENTENCES] += 1;
        row[SENTENCE_CHARS] += static_cast<double>(length);
        row[LONGEST] = std::max(row[LONGEST], static_cast<double>(length));
    };
    each_line(text, [&](std::size_t first, std::size_t last) {
        std::size_t start = first;
        for (std::size_t at = first; at < last; ++at) {
            if (!is_one_of(text[at], U"。！？!?")) continue;
            while (at + 1 < last && is_one_of(text[at + 1], U"。！？!?」』）)】")) ++at;
            add(at + 1 - start);
            start = at + 1;
        }
        add(last - start);
    });
}

}  // namespace text_stats

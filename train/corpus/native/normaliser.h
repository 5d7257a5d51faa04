// Normalises texts by a table of single characters, then NFC, white space and Japanese punctuation.
// What the table holds, and why, stands in train/corpus/normalise.py.
#pragma once

#include "text.h"

#include <string>
#include <unordered_map>

namespace text_stats {

struct Spacing {
    bool collapse;  // runs of spaces become one, and none stays at the beginning of a line
};

struct Punctuation {
    char32_t comma = 0, stop = 0;  // 0: left as it is
};

class Normaliser {
  public:
    // table: what a character becomes. composing: those that NFC may change or join with what stands before.
    Normaliser(const std::unordered_map<std::uint32_t, std::u32string> &table,
               const std::vector<std::uint32_t> &composing, Spacing spacing, Punctuation punctuation)
        : kinds_(0x110000, PLAIN), spacing_(spacing), punctuation_(punctuation),
          nfc_(pybind11::module_::import("unicodedata").attr("normalize")) {
        for (const auto c : composing) kinds_.at(c) = COMPOSING;
        std::unordered_map<std::u32string, std::uint16_t> known;  // many characters become the same, or nothing
        for (const auto &[c, text] : table) {
            const auto [kind, is_new] = known.emplace(text, static_cast<std::uint16_t>(REPLACED + known.size()));
            if (is_new) replacements_.push_back(text);
            kinds_.at(c) = kind->second;
        }
        kinds_[' '] = SPACE;
        kinds_['\n'] = BREAK;
        if (punctuation.comma)
            for (const char32_t c : {U',', U'.', U'，', U'．', U'、', U'。'})
                if (c != punctuation.comma && c != punctuation.stop) kinds_[c] = MARK;
    }

    // The text itself where nothing is to be changed.
    pybind11::object operator()(PyObject *string) {
        const bool clean = with_text(string, [&](auto text) { return is_clean(text); });
        if (clean) return pybind11::reinterpret_borrow<pybind11::object>(string);
        const bool composing = with_text(string, [&](auto text) { return replace(text); });
        if (composing) compose();
        tidy();
        if (punctuation_.comma) punctuate();
        const auto result = made();
        if (text_.capacity() > LARGE) std::u32string().swap(text_);
        return result;
    }

  private:
    static constexpr std::size_t LARGE = 1 << 20;  // characters; the room for a longer text is given back

    enum Kind : std::uint16_t { PLAIN, SPACE, BREAK, MARK, COMPOSING, REPLACED };

    template <class Char>
    bool is_clean(Text<Char> text) const {
        std::uint16_t before = BREAK;  // a text begins as a line does
        std::size_t breaks = 2;
        for (std::size_t at = 0; at < text.size; ++at) {
            const auto kind = kinds_[text[at]];
            if (kind == PLAIN) {
                breaks = 0;
            } else if (kind == SPACE) {
                if (before == BREAK || before == SPACE) return false;
                breaks = 0;
            } else if (kind == BREAK) {
                if (before == SPACE || ++breaks > 2) return false;
            } else {
                return false;
            }
            before = kind;
        }
        return before == PLAIN;
    }

    // Fills text_. Whether NFC may change something.
    template <class Char>
    bool replace(Text<Char> text) {
        text_.clear();
        text_.reserve(text.size + 16);
        bool composing = false;
        for (std::size_t at = 0; at < text.size; ++at) {
            const auto c = text[at];
            const auto kind = kinds_[c];
            if (kind < REPLACED) {
                composing |= kind == COMPOSING;
                text_.push_back(c);
            } else if (c != '\r' || at + 1 == text.size || text[at + 1] != '\n') {  // \r\n is one break
                for (const char32_t made : replacements_[kind - REPLACED]) {
                    composing |= kinds_[made] == COMPOSING;
                    text_.push_back(made);
                }
            }
        }
        return composing;
    }

    void compose() {
        const auto composed = nfc_("NFC", made());
        with_text(composed.ptr(), [&](auto text) { text_.assign(text.data, text.data + text.size); });
    }

    // No space at a line's end, at most one empty line, nothing before the first and after the last character.
    void tidy() {
        std::size_t to = 0, breaks = 0;
        for (const char32_t c : text_) {
            if (c == ' ') {
                if (!to || (spacing_.collapse && (text_[to - 1] == ' ' || text_[to - 1] == '\n'))) continue;
            } else if (c == '\n') {
                while (to && text_[to - 1] == ' ') --to;
                if (!to || breaks == 2) continue;
                ++breaks;
            } else {
                breaks = 0;
            }
            text_[to++] = c;
        }
        while (to && (text_[to - 1] == ' ' || text_[to - 1] == '\n')) --to;
        text_.resize(to);
    }

    static bool is_word(char32_t c) { return is_latin(c) || is_digit(c); }

    // After one of these a half-width , or . is Japanese punctuation.
    static bool is_japanese(char32_t c) {
        return (c >= 0x3041 && c <= 0x3096) || (c >= 0x309D && c <= 0x30FE) || (c >= 0x3005 && c <= 0x3007) ||
               (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) ||
               is_one_of(c, U"」』）】〉》〕");
    }

    // Commas and full stops in one style, without touching numbers, code or Latin text.
    void punctuate() {
        const auto [comma, stop] = punctuation_;
        char32_t before = 0;
        for (std::size_t at = 0; at < text_.size(); ++at) {
            char32_t &c = text_[at];
            const char32_t was = c, after = at + 1 < text_.size() ? text_[at + 1] : 0;
            if (c == ',' || c == '.') {
                if (is_japanese(before) && !is_word(after) && after != ',' && after != '.') c = c == ',' ? comma : stop;
            } else if (c == U'，' || c == U'．') {
                if (comma == U'，') {
                    // as it should be
                } else if (is_word(before) && (c == U'．' || is_word(after))) {
                    c = c == U'，' ? ',' : '.';  // 「1，000」 and 「3．14」 become plain numbers
                } else {
                    c = c == U'，' ? comma : stop;
                }
            } else if (c == U'、' || c == U'。') {
                // 「2、3日」 stays, as 「2,3日」 means something else
                if (c == U'。' || !is_digit(before) || !is_digit(after)) c = c == U'、' ? comma : stop;
            }
            before = was;
        }
    }

    pybind11::object made() const {
        return pybind11::reinterpret_steal<pybind11::object>(
            PyUnicode_FromKindAndData(PyUnicode_4BYTE_KIND, text_.data(), static_cast<Py_ssize_t>(text_.size())));
    }

    std::vector<std::uint16_t> kinds_;
    std::vector<std::u32string> replacements_;
    Spacing spacing_;
    Punctuation punctuation_;
    pybind11::object nfc_;
    std::u32string text_;
};

}  // namespace text_stats

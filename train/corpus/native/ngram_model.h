// An n-gram model with backoff, from the text of an ARPA file, and the logarithms that it gives to lines of characters.
#pragma once

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "mix.h"

namespace score {

constexpr std::size_t MOST = 8;         // longest n-gram that is read
constexpr float NO_UNKNOWN = -100;      // of a model without <unk>, as KenLM has it

// What stands for an n-gram: its logarithm (base 10) after its other words, and what it costs a word that does not
// follow it in the model.
struct Weights {
    float log10 = 0, backoff = 0;
};

// The n-grams of two and more words, by hash: open addressing, never more than two thirds full. Two n-grams with one
// hash of 64 bits are not told apart, as in KenLM.
class Table {
  public:
    void reserve(std::size_t count) { slots_.resize(count + count / 2 + 1); }

    void add(std::uint64_t key, Weights weights) { slots_[slot_of(key)] = {key, weights}; }

    const Weights *find(std::uint64_t key) const {
        const Slot &slot = slots_[slot_of(key)];
        return slot.key == key ? &slot.weights : nullptr;
    }

  private:
    struct Slot {
        std::uint64_t key = 0;  // none
        Weights weights;
    };

    std::size_t slot_of(std::uint64_t key) const {
        auto at = static_cast<std::size_t>((key >> 32) * slots_.size() >> 32);
        while (slots_[at].key != 0 && slots_[at].key != key) at = at + 1 == slots_.size() ? 0 : at + 1;
        return at;
    }

    std::vector<Slot> slots_;
};

// The hash of an n-gram from that of the one without its first word; 0 stands for nothing.
inline std::uint64_t longer(std::uint64_t shorter, std::uint32_t word) {
    return dedup::mix(shorter ^ dedup::constant(0), word + dedup::constant(1)) | 1;
}

class NgramModel {
  public:
    // arpa: the whole file. Throws std::invalid_argument when it is none or not all of one.
    explicit NgramModel(const std::string &arpa) : at_(arpa.c_str()), end_(at_ + arpa.size()) {
        read_counts();
        for (std::size_t n = 1; n <= counts_.size(); ++n) read_section(n);
        if (next_line() != "\\end\\") throw std::invalid_argument("it ends early");
        at_ = end_ = nullptr;
        for (const auto &[name, id] : ids_) {
            const std::uint32_t code = single(name);
            if (code >= characters_.size()) characters_.resize(code + 1, unknown_);
            if (code) characters_[code] = id;
        }
    }

    bool knows(const std::string &word) const { return ids_.count(word) != 0; }

    std::size_t order() const { return counts_.size(); }

    // log10 P(text), each character a word. begins, ends: <s> stands before it, </s> behind it.
    template <typename Text>
    double log10(const Text &text, bool begins, bool ends) const {
        State state;
        if (begins) follow(state, begin_);
        double sum = 0;
        for (std::size_t i = 0; i < text.size; ++i) {
            const std::uint32_t code = text[i];
            sum += follow(state, code < characters_.size() ? characters_[code] : unknown_);
        }
        return ends ? sum + follow(state, end_of_line_) : sum;
    }

  private:
    // The last words, the latest first, and the backoffs of the n-grams that they end, by n - 1.
    struct State {
        std::size_t words = 0;
        std::array<std::uint32_t, MOST> last{};
        std::array<float, MOST> backoff{};
    };

    // log10 P(word | state); the state goes on.
    float follow(State &state, std::uint32_t word) const {
        std::array<float, MOST> backoff{};
        std::uint64_t key = longer(0, word);
        float found = words_[word].log10;
        backoff[0] = words_[word].backoff;
        const std::size_t longest = std::min(counts_.size() - 1, state.words);
        for (std::size_t n = 1; n <= longest; ++n) {  // words before this one
            key = longer(key, state.last[n - 1]);
            if (const Weights *weights = table_.find(key)) {
                found = weights->log10;
                backoff[n] = weights->backoff;
            } else {
                found += state.backoff[n - 1];
            }
        }
        std::copy_backward(state.last.begin(), state.last.end() - 1, state.last.end());
        state.last[0] = word;
        state.backoff = backoff;
        state.words = std::min(state.words + 1, MOST);
        return found;
    }

    // The next line with anything on it; empty at the end.
    std::string_view next_line() {
        while (at_ < end_) {
            const auto *stop = static_cast<const char *>(std::memchr(at_, '\n', static_cast<std::size_t>(end_ - at_)));
            std::string_view line(at_, static_cast<std::size_t>((stop ? stop : end_) - at_));
            at_ = stop ? stop + 1 : end_;
            while (!line.empty() && std::strchr(" \t\r", line.back())) line.remove_suffix(1);
            if (!line.empty()) return line;
        }
        return {};
    }

    void read_counts() {
        std::string_view line;
        while ((line = next_line()) != "\\data\\")
            if (line.empty()) throw std::invalid_argument("no \\data\\ in it");
        const char *before = at_;
        std::size_t all = 0;
        for (; (line = next_line()).substr(0, 6) == "ngram "; before = at_) {
            const std::size_t sign = line.find('=');
            if (sign == line.npos || counts_.size() == MOST) throw std::invalid_argument("odd line " + quoted(line));
            counts_.push_back(std::strtoull(line.data() + sign + 1, nullptr, 10));
            if (counts_.size() > 1) all += counts_.back();
        }
        at_ = before;
        // A line has at least a number and a word: a count that the file cannot hold must not take the memory.
        if (counts_.empty() || counts_[0] == 0 || (all + counts_[0]) > static_cast<std::size_t>(end_ - at_))
            throw std::invalid_argument("its counts are not those of its n-grams");
        table_.reserve(all);
    }

    void read_section(std::size_t n) {
        if (next_line() != "\\" + std::to_string(n) + "-grams:")
            throw std::invalid_argument("no " + std::to_string(n) + "-grams where they should begin");
        std::array<std::string_view, MOST + 2> fields;
        for (std::size_t i = 0; i < counts_[n - 1]; ++i) {
            const std::string_view line = next_line();
            if (line.empty()) throw std::invalid_argument("it ends early");
            const std::size_t found = split(line, fields);
            char *stop = nullptr;
            Weights weights{std::strtof(fields[0].data(), &stop), 0};
            const bool number = stop == fields[0].data() + fields[0].size();
            if (found < n + 1 || found > n + 2 || !number)
                throw std::invalid_argument("odd line " + quoted(line));
            if (found == n + 2) weights.backoff = std::strtof(fields[n + 1].data(), nullptr);
            if (n == 1) {
                ids_.emplace(fields[1], static_cast<std::uint32_t>(words_.size()));
                words_.push_back(weights);
            } else {
                std::uint64_t key = 0;
                for (std::size_t word = n; word > 0; --word) key = longer(key, id_of(fields[word]));
                table_.add(key, weights);
            }
        }
        if (n > 1) return;
        unknown_ = id_or_new("<unk>");
        begin_ = id_or_new("<s>");
        end_of_line_ = id_or_new("</s>");
    }

    static std::size_t split(std::string_view line, std::array<std::string_view, MOST + 2> &fields) {
        std::size_t found = 0, at = 0;
        while (at < line.size() && found < fields.size()) {
            const std::size_t stop = std::min(line.find_first_of(" \t", at), line.size());
            if (stop > at) fields[found++] = line.substr(at, stop - at);
            at = stop + 1;
        }
        return found;
    }

    std::uint32_t id_of(std::string_view word) const {
        const auto found = ids_.find(std::string(word));
        if (found == ids_.end()) throw std::invalid_argument("an n-gram has a word that is none: " + quoted(word));
        return found->second;
    }

    std::uint32_t id_or_new(const char *word) {
        const auto [found, is_new] = ids_.emplace(word, static_cast<std::uint32_t>(words_.size()));
        if (is_new) words_.push_back({NO_UNKNOWN, 0});
        return found->second;
    }

    static std::string quoted(std::string_view line) { return '"' + std::string(line.substr(0, 40)) + '"'; }

    // The code point of a name that is one character in UTF-8; else 0.
    static std::uint32_t single(const std::string &name) {
        const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(name[i]); };
        const std::uint32_t lead = byte(0);
        const std::size_t bytes = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
        if (name.size() != bytes) return 0;
        std::uint32_t code = bytes == 1 ? lead : lead & (0x7Fu >> bytes);
        for (std::size_t i = 1; i < bytes; ++i) code = code << 6 | (byte(i) & 0x3F);
        return code < 0x110000 ? code : 0;
    }

    const char *at_, *end_;  // what is still to read
    std::vector<std::size_t> counts_;
    std::unordered_map<std::string, std::uint32_t> ids_;
    std::vector<Weights> words_;
    std::vector<std::uint32_t> characters_;  // code point -> word
    Table table_;
    std::uint32_t unknown_ = 0, begin_ = 0, end_of_line_ = 0;
};

}  // namespace score

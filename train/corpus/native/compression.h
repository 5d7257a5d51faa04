// What zlib would make of a text, guessed at many times its speed: matches of 4 bytes and more, entropy of the rest.
#pragma once

#include "text.h"

#include <array>
#include <cmath>
#include <cstring>

namespace text_stats {

enum CompressionFigure { COMPRESSED_BYTES, LITERAL_BITS, MATCHES, COMPRESSION_FIGURES };

class Compression {
  public:
    // Of at most 64 KB of UTF-8.
    void figures(const unsigned char *data, std::size_t size, double *row) {
        last_.fill(0);
        std::array<std::uint32_t, 256> literals{};
        std::size_t at = 0, plain = 0;
        while (at < size) {
            std::size_t length = 0, from = 0;
            if (at + 4 <= size) {
                std::uint32_t word;
                std::memcpy(&word, data + at, 4);
                auto &last = last_[(word * 2654435761u) >> 20];
                from = last;
                last = static_cast<std::uint16_t>(at);
                if (at > from && std::memcmp(data + from, data + at, 4) == 0)
                    for (length = 4; at + length < size && data[from + length] == data[at + length];) ++length;
            }
            if (length) {
                row[MATCHES] += 1;
                at += length;
            } else {
                literals[data[at++]] += 1;
                plain += 1;
            }
        }
        for (const double count : literals)
            if (count > 0) row[LITERAL_BITS] -= count * std::log2(count / static_cast<double>(plain));
        row[COMPRESSED_BYTES] = static_cast<double>(size);
    }

  private:
    std::array<std::uint16_t, 4096> last_;
};

}  // namespace text_stats

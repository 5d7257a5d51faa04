// The arithmetic of hashing: 64 bits in, 64 bits out, the same on every machine.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#if defined(_MSC_VER) && !defined(__SIZEOF_INT128__)
#include <intrin.h>
#endif

namespace dedup {

// The two halves of the 128-bit product, xored (the "mum" of wyhash).
inline uint64_t fold(uint64_t a, uint64_t b) {
#if defined(__SIZEOF_INT128__)
    const auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
#elif defined(_MSC_VER) && defined(_M_X64)
    uint64_t high;
    const uint64_t low = _umul128(a, b, &high);
    return low ^ high;
#else
    const uint64_t a0 = a & 0xFFFFFFFF, a1 = a >> 32, b0 = b & 0xFFFFFFFF, b1 = b >> 32;
    const uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
    const uint64_t carry = a0 * b1 + (middle & 0xFFFFFFFF);
    return (a * b) ^ (a1 * b1 + (middle >> 32) + (carry >> 32));
#endif
}

// fold, once more mixed: factors that differ in few places leave a pattern in their product.
inline uint64_t mix(uint64_t a, uint64_t b) {
    const uint64_t x = fold(a, b);
    return (x ^ x >> 32) * 0x9E3779B97F4A7C15;
}

// The number-th constant of a fixed stream (splitmix64).
constexpr uint64_t constant(uint64_t number) {
    uint64_t x = (number + 1) * 0x9E3779B97F4A7C15;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
    return x ^ (x >> 31);
}

template <size_t COUNT>
constexpr std::array<uint64_t, COUNT> constants(uint64_t first) {
    std::array<uint64_t, COUNT> values{};
    for (size_t i = 0; i < COUNT; ++i) values[i] = constant(first + i);
    return values;
}

}  // namespace dedup

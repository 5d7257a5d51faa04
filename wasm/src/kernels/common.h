// What the kernels share: dot products of bytes, sums over lanes, f16 scales.
// A relaxed build (-mrelaxed-simd) has one instruction where a plain one has a few.
#pragma once

#define GGML_COMMON_DECL_C
#include <stdint.h>
#include <string.h>
#include <wasm_simd128.h>

#include "ggml-common.h"

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")
// For long bodies. Unrolled, compilers put one sum after the other, each with all its loads: many more values than there
// are registers, so half the speed (a quarter when the stack's copies of them lie across two pages).
#define NO_UNROLL _Pragma("clang loop unroll(disable)")

// acc + the sum of four products in each i32 lane. u7 holds 0..127: hardware may take that operand as signed or not.
INLINE v128_t dot_u7(v128_t u7, v128_t s8, v128_t acc) {
#ifdef __wasm_relaxed_simd__
    return wasm_i32x4_relaxed_dot_i8x16_i7x16_add(s8, u7, acc);
#else
    const v128_t low = wasm_i32x4_dot_i16x8(wasm_i16x8_extend_low_i8x16(u7), wasm_i16x8_extend_low_i8x16(s8));
    const v128_t high = wasm_i32x4_dot_i16x8(wasm_i16x8_extend_high_i8x16(u7), wasm_i16x8_extend_high_i8x16(s8));
    return wasm_i32x4_add(wasm_i32x4_add(acc, low), high);
#endif
}

// 16 activations of -127..127, for dot_scaled: those that meet several rows are extended once.
typedef struct {
#ifdef __wasm_relaxed_simd__
    v128_t y;
#else
    v128_t low, high;
#endif
} activations16;

INLINE activations16 load_activations16(const int8_t * y) {
#ifdef __wasm_relaxed_simd__
    return (activations16) {wasm_v128_load(y)};
#else
    return (activations16) {wasm_i16x8_load8x8(y), wasm_i16x8_load8x8(y + 8)};
#endif
}

// acc + scale * the products, summed by fours in each i32 lane; scale: in all 16-bit lanes.
INLINE v128_t dot_scaled(v128_t u7, activations16 a, v128_t scale, v128_t acc) {
#ifdef __wasm_relaxed_simd__
    const v128_t sums = wasm_i16x8_relaxed_dot_i8x16_i7x16(a.y, u7);
#else
    const v128_t low = wasm_i16x8_mul(wasm_u16x8_extend_low_u8x16(u7), a.low);
    const v128_t high = wasm_i16x8_mul(wasm_u16x8_extend_high_u8x16(u7), a.high);
    const v128_t sums = wasm_i16x8_add(low, high);  // at most 2 * 127 * 127: they fit
#endif
    return wasm_i32x4_add(acc, wasm_i32x4_dot_i16x8(sums, scale));
}

// 32 activations of -127..127, made ready to meet weights of -128..127.
typedef struct {
#ifdef __wasm_relaxed_simd__
    v128_t half[2], rest[2];  // y = 2 * half - rest, both of them in 0..127
#else
    v128_t y[2];
#endif
} activations32;

INLINE activations32 load_activations(const int8_t * y) {
    activations32 a;
    UNROLL for (int i = 0; i < 2; i++) {
        const v128_t v = wasm_v128_load(y + 16 * i);
#ifdef __wasm_relaxed_simd__
        const v128_t most = wasm_i8x16_splat(127), raised = wasm_i8x16_add(v, most);
        a.half[i] = wasm_v128_and(wasm_u16x8_shr(raised, 1), most);
        a.rest[i] = wasm_i8x16_sub(most, wasm_v128_and(raised, wasm_i8x16_splat(1)));
#else
        a.y[i] = v;
#endif
    }
    return a;
}

// The sum of eight products in each i32 lane.
INLINE v128_t dot_s8(v128_t x0, v128_t x1, activations32 a) {
    const v128_t zero = wasm_i32x4_splat(0);
#ifdef __wasm_relaxed_simd__
    const v128_t half = dot_u7(a.half[1], x1, dot_u7(a.half[0], x0, zero));
    const v128_t rest = dot_u7(a.rest[1], x1, dot_u7(a.rest[0], x0, zero));
    return wasm_i32x4_sub(wasm_i32x4_shl(half, 1), rest);
#else
    return dot_u7(x1, a.y[1], dot_u7(x0, a.y[0], zero));
#endif
}

// a * b + c
INLINE v128_t fma4(v128_t a, v128_t b, v128_t c) {
#ifdef __wasm_relaxed_simd__
    return wasm_f32x4_relaxed_madd(a, b, c);
#else
    return wasm_f32x4_add(wasm_f32x4_mul(a, b), c);
#endif
}

INLINE float sum4(v128_t v) {
    v = wasm_f32x4_add(v, wasm_i32x4_shuffle(v, v, 2, 3, 0, 1));
    return wasm_f32x4_extract_lane(v, 0) + wasm_f32x4_extract_lane(v, 1);
}

INLINE int32_t sum4_i32(v128_t v) {
    v = wasm_i32x4_add(v, wasm_i32x4_shuffle(v, v, 2, 3, 0, 1));
    return wasm_i32x4_extract_lane(v, 0) + wasm_i32x4_extract_lane(v, 1);
}

// Of each byte: the lower and the upper four bits. 16-bit shifts, as SSE has none of 8 bits.
INLINE v128_t nibbles_low(v128_t v) { return wasm_v128_and(v, wasm_i8x16_splat(0x0F)); }
INLINE v128_t nibbles_high(v128_t v) { return wasm_v128_and(wasm_u16x8_shr(v, 4), wasm_i8x16_splat(0x0F)); }

// ggml's table of all f16 as f32. Scales are often subnormal: converting them costs a CPU a hundred cycles, or a detour
// over integers that took as long as the products themselves.
extern float ggml_table_f32_f16[1 << 16];

INLINE float f16_scalar(ggml_half h) { return ggml_table_f32_f16[h]; }
INLINE v128_t f16_splat(ggml_half h) { return wasm_v128_load32_splat(ggml_table_f32_f16 + h); }

// Reads a byte of each cache line, for memory to deliver the lines as one stream. Products in between would wait for
// every few lines anew: decoding with weights that no cache holds took 1.4 times as long.
INLINE void stream_in(const char * from, size_t bytes) {
    int32_t sum = 0;
    for (size_t i = 0; i < bytes; i += 64) sum += from[i];
    volatile int32_t seen = sum;  // nothing would be read for a sum that nobody sees
    (void) seen;
}

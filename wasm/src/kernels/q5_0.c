#include "rows.h"

// What the eight fifth bits in a byte add to four bits: -16 where a bit is not set. Found in a table, they take no
// instruction that the products compete for.
#define ADDED(byte, bit) ((byte) >> (bit) & 1 ? 0 : -16)
#define ALL_ADDED(byte)                                                            \
    {ADDED(byte, 0), ADDED(byte, 1), ADDED(byte, 2), ADDED(byte, 3),                \
     ADDED(byte, 4), ADDED(byte, 5), ADDED(byte, 6), ADDED(byte, 7)}
#define OF_4(byte) ALL_ADDED(byte), ALL_ADDED((byte) + 1), ALL_ADDED((byte) + 2), ALL_ADDED((byte) + 3)
#define OF_16(byte) OF_4(byte), OF_4((byte) + 4), OF_4((byte) + 8), OF_4((byte) + 12)
#define OF_64(byte) OF_16(byte), OF_16((byte) + 16), OF_16((byte) + 32), OF_16((byte) + 48)
static const int8_t added[256][8] = {OF_64(0), OF_64(64), OF_64(128), OF_64(192)};

// The sums of four products in each i32 lane: eight weights, of four bits in 16-bit lanes and a byte of fifth bits.
INLINE v128_t dot8(v128_t nibbles, uint8_t bits, v128_t active) {
    return wasm_i32x4_dot_i16x8(wasm_v128_or(nibbles, wasm_i16x8_load8x8(added[bits])), active);
}

// w = d * (q - 16). By 16-bit products in both builds: a fifth bit needs no more than an OR there. One row after the
// other, as they lie in memory: four at a time would share activations, but took 1.2 to 1.8 times as long.
INLINE void rows(const int count, int n, float * s, const char * x, size_t bx, const char * y) {
    const block_q8_0 * b = (const block_q8_0 *) y;
    NO_UNROLL for (int r = 0; r < count; r++) {
        const block_q5_0 * a = (const block_q5_0 *) (x + r * bx);
        v128_t sum = wasm_f32x4_splat(0);
        for (int i = 0; i < n / QK8_0; i++) {
            v128_t active[4];
            UNROLL for (int j = 0; j < 4; j++) active[j] = wasm_i16x8_load8x8(b[i].qs + 8 * j);
            const v128_t first = wasm_u16x8_load8x8(a[i].qs), last = wasm_u16x8_load8x8(a[i].qs + 8);
            const v128_t low = wasm_i32x4_add(dot8(nibbles_low(first), a[i].qh[0], active[0]),
                                              dot8(nibbles_low(last), a[i].qh[1], active[1]));
            const v128_t high = wasm_i32x4_add(dot8(wasm_u16x8_shr(first, 4), a[i].qh[2], active[2]),
                                               dot8(wasm_u16x8_shr(last, 4), a[i].qh[3], active[3]));
            const v128_t scale = wasm_f32x4_mul(f16_splat(b[i].d), f16_splat(a[i].d));
            sum = fma4(wasm_f32x4_convert_i32x4(wasm_i32x4_add(low, high)), scale, sum);
        }
        s[r] = sum4(sum);
    }
}

DEFINE_ROWS(q5_0, q8_0, rows)

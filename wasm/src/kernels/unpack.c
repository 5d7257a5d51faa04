// How each type's blocks become rows of a panel.
#include "iq4_nl.h"
#include "k_scales.h"
#include "panel.h"
#include "q3_K.h"
#include "q5_K.h"
#include "q6_K.h"

static void unpack_q4_0(const char * blocks, int groups, unpacked_row * row) {
    for (int g = 0; g < groups; g++) {
        const block_q4_0 * a = (const block_q4_0 *) blocks + g;
        const v128_t q = wasm_v128_load(a->qs);
        wasm_v128_store(row->q + 32 * g, nibbles_low(q));
        wasm_v128_store(row->q + 32 * g + 16, nibbles_high(q));
        row->scale[g] = f16_scalar(a->d);
    }
}

// Of the byte at k, bit k % 8, where it counts 16.
INLINE v128_t own_bits(v128_t bytes) {
    const v128_t own = wasm_i8x16_make(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
    return wasm_v128_and(wasm_i8x16_eq(wasm_v128_and(bytes, own), own), wasm_i8x16_splat(16));
}

static void unpack_q5_0(const char * blocks, int groups, unpacked_row * row) {
    for (int g = 0; g < groups; g++) {
        const block_q5_0 * a = (const block_q5_0 *) blocks + g;
        const v128_t q = wasm_v128_load(a->qs), bits = wasm_v128_load32_splat(a->qh);
        const v128_t low = wasm_i8x16_shuffle(bits, bits, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
        const v128_t high = wasm_i8x16_shuffle(bits, bits, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
        wasm_v128_store(row->q + 32 * g, wasm_v128_or(nibbles_low(q), own_bits(low)));
        wasm_v128_store(row->q + 32 * g + 16, wasm_v128_or(nibbles_high(q), own_bits(high)));
        row->scale[g] = f16_scalar(a->d);
    }
}

static void unpack_q8_0(const char * blocks, int groups, unpacked_row * row) {
    const v128_t sign = wasm_i8x16_splat(-128);  // q + 128
    for (int g = 0; g < groups; g++) {
        const block_q8_0 * a = (const block_q8_0 *) blocks + g;
        wasm_v128_store(row->q + 32 * g, wasm_v128_xor(wasm_v128_load(a->qs), sign));
        wasm_v128_store(row->q + 32 * g + 16, wasm_v128_xor(wasm_v128_load(a->qs + 16), sign));
        row->scale[g] = f16_scalar(a->d);
    }
}

static void unpack_iq4_nl(const char * blocks, int groups, unpacked_row * row) {
    const v128_t sign = wasm_i8x16_splat(-128);
    for (int g = 0; g < groups; g++) {
        const block_iq4_nl * a = (const block_iq4_nl *) blocks + g;
        const v128_t q = wasm_v128_load(a->qs);
        wasm_v128_store(row->q + 32 * g, wasm_v128_xor(iq4_nl_values(nibbles_low(q)), sign));
        wasm_v128_store(row->q + 32 * g + 16, wasm_v128_xor(iq4_nl_values(nibbles_high(q)), sign));
        row->scale[g] = f16_scalar(a->d);
    }
}

// The codes of block `a`, a quarter at a time: both halves of 128, each with the first and the last 16 of every 32.
#define STORE_PARTS(type)                                                                                              \
    for (int part = 0; part < 4; part++) {                                                                             \
        v128_t q[4];                                                                                                   \
        unpack_##type##_part(a, part / 2, part % 2, q);                                                                \
        for (int j = 0; j < 4; j++) wasm_v128_store(row->q + 128 * (part / 2) + 32 * j + 16 * (part % 2), q[j]);       \
    }

static void unpack_q3_K(const char * blocks, int groups, unpacked_row * row) {
    const block_q3_K * a = (const block_q3_K *) blocks;
    STORE_PARTS(q3_K)
    int8_t scales[16];
    wasm_v128_store(scales, q3_K_scales(a));
    const float d = f16_scalar(a->d);
    for (int g = 0; g < groups; g++) row->scale[g] = d * scales[g];
}

static void set_k_scales(const uint8_t * packed, float d, float dmin, unpacked_row * row) {
    const k_scales k = unpack_k_scales(packed);
    for (int g = 0; g < 8; g++) {
        row->scale[g] = d * k.scales[g];
        row->min[g] = dmin * k.mins[g];
    }
}

static void unpack_q4_K(const char * blocks, int groups, unpacked_row * row) {
    (void) groups;
    const block_q4_K * a = (const block_q4_K *) blocks;
    for (int j = 0; j < 4; j++) {
        for (int k = 0; k < 2; k++) {
            const v128_t q = wasm_v128_load(a->qs + 32 * j + 16 * k);
            wasm_v128_store(row->q + 64 * j + 16 * k, nibbles_low(q));
            wasm_v128_store(row->q + 64 * j + 32 + 16 * k, nibbles_high(q));
        }
    }
    set_k_scales(a->scales, f16_scalar(a->d), f16_scalar(a->dmin), row);
}

static void unpack_q5_K(const char * blocks, int groups, unpacked_row * row) {
    (void) groups;
    const block_q5_K * a = (const block_q5_K *) blocks;
    for (int k = 0; k < 2; k++) {
        const v128_t bits = wasm_v128_load(a->qh + 16 * k);
        UNROLL for (int j = 0; j < 4; j++) {
            const v128_t q = wasm_v128_load(a->qs + 32 * j + 16 * k);
            wasm_v128_store(row->q + 64 * j + 16 * k, wasm_v128_or(nibbles_low(q), fifth_bit(bits, 2 * j)));
            wasm_v128_store(row->q + 64 * j + 32 + 16 * k, wasm_v128_or(nibbles_high(q), fifth_bit(bits, 2 * j + 1)));
        }
    }
    set_k_scales(a->scales, f16_scalar(a->d), f16_scalar(a->dmin), row);
}

static void unpack_q6_K(const char * blocks, int groups, unpacked_row * row) {
    const block_q6_K * a = (const block_q6_K *) blocks;
    STORE_PARTS(q6_K)
    const float d = f16_scalar(a->d);
    for (int g = 0; g < groups; g++) row->scale[g] = d * a->scales[g];
}

#define OF_32(type) sizeof(type), 32
#define OF_256(type) sizeof(type), QK_K
const panel_type lilm_q4_0 = {32, 8, 0, 0, OF_32(block_q4_0), UNPACK_Q4_0};
const panel_type lilm_q5_0 = {32, 16, 0, 0, OF_32(block_q5_0), UNPACK_Q5_0};
const panel_type lilm_q8_0 = {32, 128, 0, 1, OF_32(block_q8_0), UNPACK_Q8_0};
const panel_type lilm_iq4_nl = {32, 128, 0, 1, OF_32(block_iq4_nl), UNPACK_IQ4_NL};
const panel_type lilm_q3_K = {16, 4, 0, 0, OF_256(block_q3_K), UNPACK_Q3_K};
const panel_type lilm_q4_K = {32, 0, 1, 0, OF_256(block_q4_K), UNPACK_Q4_K};
const panel_type lilm_q5_K = {32, 0, 1, 0, OF_256(block_q5_K), UNPACK_Q5_K};
const panel_type lilm_q6_K = {16, 32, 0, 0, OF_256(block_q6_K), UNPACK_Q6_K};

void lilm_unpack(const panel_type * type, const char * blocks, int groups, unpacked_row * row) {
    switch (type->unpack) {
        case UNPACK_Q4_0: unpack_q4_0(blocks, groups, row); break;
        case UNPACK_Q5_0: unpack_q5_0(blocks, groups, row); break;
        case UNPACK_Q8_0: unpack_q8_0(blocks, groups, row); break;
        case UNPACK_IQ4_NL: unpack_iq4_nl(blocks, groups, row); break;
        case UNPACK_Q3_K: unpack_q3_K(blocks, groups, row); break;
        case UNPACK_Q4_K: unpack_q4_K(blocks, groups, row); break;
        case UNPACK_Q5_K: unpack_q5_K(blocks, groups, row); break;
        case UNPACK_Q6_K: unpack_q6_K(blocks, groups, row); break;
    }
}

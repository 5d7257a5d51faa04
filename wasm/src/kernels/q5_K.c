#include "q5_K.h"

#define BLOCK block_q5_K
#define WITH_FIFTH_BITS(q, a, half, bit) wasm_v128_or(q, fifth_bit(wasm_v128_load((a)->qh + 16 * (half)), bit))
#include "q45_K.h"

DEFINE_ROWS(q5_K, q8_K, rows)

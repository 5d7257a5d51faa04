#include "q6_K.h"
#include "sixteens.h"

INLINE v128_t scales(const void * block) { return wasm_v128_load(((const block_q6_K *) block)->scales); }

// w = d * scale * (q - 32)
INLINE void rows(const int count, int n, float * s, const char * x, size_t bx, const char * y) {
    rows_of_sixteens(count, sizeof(block_q6_K), 5, unpack_q6_K_part, scales, n, s, x, bx, y);
}

DEFINE_ROWS(q6_K, q8_K, rows)

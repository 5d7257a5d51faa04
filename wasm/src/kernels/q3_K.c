#include "q3_K.h"
#include "sixteens.h"

// w = d * scale * (q - 4)
INLINE void rows(const int count, int n, float * s, const char * x, size_t bx, const char * y) {
    rows_of_sixteens(count, sizeof(block_q3_K), 2, unpack_q3_K_part, q3_K_scales, n, s, x, bx, y);
}

DEFINE_ROWS(q3_K, q8_K, rows)

#define BLOCK block_q4_K
#define WITH_FIFTH_BITS(q, a, half, bit) (q)
#include "q45_K.h"

DEFINE_ROWS(q4_K, q8_K, rows)

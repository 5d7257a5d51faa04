// Dot products of one column of activations with one or four rows of weights, for few columns at a time.
// Each type's file defines ROWS(count, n, s, x, bx, y): s[r] = row r (at x + r * bx, bytes) times y, n values each.
#pragma once

#include "common.h"

typedef void (*rows_fn)(int n, float * s, const char * x, size_t bx, const char * y);

void lilm_rows4_q4_0(int n, float * s, const char * x, size_t bx, const char * y);
void lilm_rows4_q5_0(int n, float * s, const char * x, size_t bx, const char * y);
void lilm_rows4_q8_0(int n, float * s, const char * x, size_t bx, const char * y);
void lilm_rows4_iq4_nl(int n, float * s, const char * x, size_t bx, const char * y);
void lilm_rows4_q3_K(int n, float * s, const char * x, size_t bx, const char * y);
void lilm_rows4_q4_K(int n, float * s, const char * x, size_t bx, const char * y);
void lilm_rows4_q5_K(int n, float * s, const char * x, size_t bx, const char * y);
void lilm_rows4_q6_K(int n, float * s, const char * x, size_t bx, const char * y);

// ggml's vec_dot and the kernel for four rows, from a type's `rows`. ggml's nrc is 1, as its `nrows` says.
#define DEFINE_ROWS(type, activations, rows)                                                                     \
    void ggml_vec_dot_##type##_##activations(int n, float * s, size_t bs, const void * x, size_t bx,             \
                                             const void * y, size_t by, int nrc);                                \
    void ggml_vec_dot_##type##_##activations(int n, float * s, size_t bs, const void * x, size_t bx,             \
                                             const void * y, size_t by, int nrc) {                               \
        (void) bs, (void) by, (void) nrc;                                                                        \
        rows(1, n, s, (const char *) x, bx, (const char *) y);                                                   \
    }                                                                                                            \
    void lilm_rows4_##type(int n, float * s, const char * x, size_t bx, const char * y) { rows(4, n, s, x, bx, y); }

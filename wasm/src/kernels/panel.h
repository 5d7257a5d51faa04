// A panel: eight rows of weights by 256 values, unpacked for many columns of activations.
// Every type becomes w = scale * (q - bias), or scale * q - min, for groups of 16 or 32 values.
#pragma once

#include "common.h"

#define PANEL_ROWS 8
#define PANEL_VALUES 256
#define MOST_GROUPS (PANEL_VALUES / 16)

// One row before it joins a panel. q: 0..127, or 0..255 for a wide type.
typedef struct {
    uint8_t q[PANEL_VALUES];
    float scale[MOST_GROUPS];
    float min[MOST_GROUPS];
} unpacked_row;

typedef struct {
    int group;         // values that share a scale
    int bias;          // is taken from q
    int has_min;       // the groups' minima are used
    int wide;          // q needs eight bits
    int block_bytes;   // of the weights
    int block_values;  // 32, with activations of Q8_0, or 256, with those of Q8_K
    enum {
        UNPACK_Q4_0, UNPACK_Q5_0, UNPACK_Q8_0, UNPACK_IQ4_NL,
        UNPACK_Q3_K, UNPACK_Q4_K, UNPACK_Q5_K, UNPACK_Q6_K,
    } unpack;
} panel_type;

// Not by a pointer in panel_type: V8 inlines what such a pointer mostly calls, and when it once calls another, the whole
// caller runs unoptimised from there on (half the speed in Chromium, with one thread).
void lilm_unpack(const panel_type * type, const char * blocks, int groups, unpacked_row * row);

extern const panel_type lilm_q4_0, lilm_q5_0, lilm_q8_0, lilm_iq4_nl, lilm_q3_K, lilm_q4_K, lilm_q5_K, lilm_q6_K;

// dst[column * dst_stride + row] = row times column, for rows [row0, row1) and columns [0, columns).
// x: weights, rows x_stride bytes apart; y: activations, columns y_stride bytes apart; n: values in a row.
void lilm_gemm(const panel_type * type, int n, const char * x, size_t x_stride, int row0, int row1, const char * y,
               size_t y_stride, int columns, float * dst, size_t dst_stride);

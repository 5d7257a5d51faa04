#pragma once

#include "ggml-cpu.h"
#include "ggml.h"

struct ggml_compute_params;

// This thread's share of dst = src0 * src1, src1 being quantised in params->wdata. Every thread calls it, after the
// barrier. False, with nothing done, when src0's type has no kernels here.
bool lilm_mul_mat(const struct ggml_compute_params * params, struct ggml_tensor * dst);

// Elementwise functions, four values at a time. Each answers how many of the n values it did; the caller does the rest.
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

// y = x / (1 + e^-x)
int lilm_silu(int n, float * y, const float * x);
// y = x / (1 + e^-x) * g
int lilm_swiglu(int n, float * y, const float * x, const float * g);
// y = e^(x - max), which is added to *sum
int lilm_soft_max(int n, float * y, const float * x, float max, double * sum);

#ifdef __cplusplus
}
#endif

// One function per source file adds its part to the module.
#pragma once

#include <pybind11/pybind11.h>

void bind_near_duplicates(pybind11::module_ &module);
void bind_ngram_model(pybind11::module_ &module);
void bind_records(pybind11::module_ &module);
void bind_substrings(pybind11::module_ &module);
void bind_text_stats(pybind11::module_ &module);

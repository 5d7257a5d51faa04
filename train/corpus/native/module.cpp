#include "bindings.h"

PYBIND11_MODULE(_native, module) {
    module.doc() = "The inner loops of the corpus stage, on UTF-8.";
    bind_near_duplicates(module);
    bind_ngram_model(module);
    bind_records(module);
    bind_substrings(module);
    bind_text_stats(module);
}

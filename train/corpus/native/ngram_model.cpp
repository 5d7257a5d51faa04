// The n-gram model for score/.
#include "ngram_model.h"

#include "bindings.h"
#include "text.h"

namespace py = pybind11;
using score::NgramModel;

void bind_ngram_model(py::module_ &module) {
    py::class_<NgramModel>(module, "NgramModel")
        .def(py::init([](const py::bytes &arpa) { return NgramModel(std::string(arpa)); }), py::arg("arpa"))
        .def("__contains__", &NgramModel::knows, py::arg("word"))
        .def_property_readonly("order", &NgramModel::order)
        .def("log10", [](const NgramModel &model, py::handle line, bool begins, bool ends) {
            return text_stats::with_text(line.ptr(), [&](auto text) { return model.log10(text, begins, ends); });
        }, py::arg("line"), py::arg("begins"), py::arg("ends"));
}

// Arrays and texts as they come from Python.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>
#include <vector>

#include "utf8.h"

namespace dedup {

// The array in one piece, when it is of this type. (A refusal by pybind11 itself would print every text.)
template <typename T>
pybind11::array_t<T, pybind11::array::c_style> array_of(const pybind11::object &object, pybind11::ssize_t dimensions,
                                                        const char *name) {
    namespace py = pybind11;
    if (!py::isinstance<py::array_t<T>>(object) || py::array(object).ndim() != dimensions) {
        throw py::type_error(std::string(name) + " must be an array of uint" + std::to_string(8 * sizeof(T)) +
                             " with dimensions: " + std::to_string(dimensions));
    }
    return py::array_t<T, py::array::c_style>(object);
}

// The same, when it can be changed where it lies.
template <typename T>
pybind11::array_t<T, pybind11::array::c_style> own_array_of(const pybind11::object &object,
                                                            pybind11::ssize_t dimensions, const char *name) {
    namespace py = pybind11;
    auto array = array_of<T>(object, dimensions, name);
    if (array.data() != py::reinterpret_borrow<py::array>(object).data() || !array.writeable()) {
        throw py::type_error(std::string(name) + " must lie in one piece and be writable");
    }
    return array;
}

template <typename T>
pybind11::array_t<T> as_array(const std::vector<T> &values) {
    return pybind11::array_t<T>(static_cast<pybind11::ssize_t>(values.size()), values.data());
}

// The texts of a sequence; `keep` holds them while they are read without the interpreter's lock.
struct Texts {
    pybind11::tuple keep;
    std::vector<Text> views;

    explicit Texts(const pybind11::object &texts) : keep(texts) {
        views.reserve(keep.size());
        for (size_t i = 0; i < keep.size(); ++i) {
            PyObject *item = PyTuple_GET_ITEM(keep.ptr(), static_cast<Py_ssize_t>(i));
            if (PyUnicode_Check(item)) {
                const int width = PyUnicode_IS_ASCII(item) ? 0 : static_cast<int>(PyUnicode_KIND(item));
                const auto *data = static_cast<const unsigned char *>(PyUnicode_DATA(item));
                views.push_back({data, static_cast<size_t>(PyUnicode_GET_LENGTH(item)), width});
            } else if (PyBytes_Check(item)) {
                const auto *data = reinterpret_cast<const unsigned char *>(PyBytes_AS_STRING(item));
                views.push_back({data, static_cast<size_t>(PyBytes_GET_SIZE(item)), 0});
            } else if (PyMemoryView_Check(item) && PyBuffer_IsContiguous(PyMemoryView_GET_BUFFER(item), 'C')) {
                const Py_buffer *buffer = PyMemoryView_GET_BUFFER(item);
                views.push_back({static_cast<const unsigned char *>(buffer->buf), static_cast<size_t>(buffer->len), 0});
            } else {
                throw pybind11::type_error("text " + std::to_string(i) + " is " + Py_TYPE(item)->tp_name +
                                     ", not str or bytes");
            }
        }
    }
};

}  // namespace dedup

// Python strings as they lie in memory (1, 2 or 4 bytes a character), without a copy.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace text_stats {

template <class Char>
struct Text {
    const Char *data;
    std::size_t size;

    std::uint32_t operator[](std::size_t index) const { return data[index]; }
};

// visit(Text<Char>) with the width that the string has.
template <class Visit>
auto with_text(PyObject *string, Visit &&visit) {
    if (!PyUnicode_Check(string)) throw pybind11::type_error("every text must be a str");
    const auto size = static_cast<std::size_t>(PyUnicode_GET_LENGTH(string));
    switch (PyUnicode_KIND(string)) {
        case PyUnicode_1BYTE_KIND: return visit(Text<Py_UCS1>{PyUnicode_1BYTE_DATA(string), size});
        case PyUnicode_2BYTE_KIND: return visit(Text<Py_UCS2>{PyUnicode_2BYTE_DATA(string), size});
        default: return visit(Text<Py_UCS4>{PyUnicode_4BYTE_DATA(string), size});
    }
}

// The strings of a list or tuple; keeps it alive.
class Texts {
  public:
    explicit Texts(pybind11::handle sequence)
        : fast_(pybind11::reinterpret_steal<pybind11::object>(
              PySequence_Fast(sequence.ptr(), "texts must be a sequence"))) {
        if (!fast_) throw pybind11::error_already_set();
    }

    std::size_t size() const { return static_cast<std::size_t>(PySequence_Fast_GET_SIZE(fast_.ptr())); }
    PyObject *operator[](std::size_t index) const {
        return PySequence_Fast_GET_ITEM(fast_.ptr(), static_cast<Py_ssize_t>(index));
    }

  private:
    pybind11::object fast_;
};

// [texts, columns]: row(Text<Char>, double *) fills one text's row, which starts as zeros.
template <class Row>
pybind11::array_t<double> figures_of(pybind11::handle sequence, std::size_t columns, Row &&row) {
    const Texts texts(sequence);
    pybind11::array_t<double> figures(std::vector<std::size_t>{texts.size(), columns});
    double *cells = figures.mutable_data();
    std::fill(cells, cells + texts.size() * columns, 0.0);
    for (std::size_t index = 0; index < texts.size(); ++index, cells += columns)
        with_text(texts[index], [&](auto text) { row(text, cells); });
    return figures;
}

inline bool is_space(std::uint32_t c) { return c <= 0x20 || c == 0x3000 || c == 0xA0; }
inline bool is_digit(std::uint32_t c) { return c >= '0' && c <= '9'; }
inline bool is_latin(std::uint32_t c) { return (c | 0x20) >= 'a' && (c | 0x20) <= 'z' && c < 0x80; }
inline bool is_katakana(std::uint32_t c) { return (c >= 0x30A1 && c <= 0x30FA) || (c >= 0x30FC && c <= 0x30FE); }
inline bool is_letter(std::uint32_t c) {
    return is_latin(c) || (c >= 0xC0 && c < 0x2000 && c != 0xD7 && c != 0xF7) ||
           (c >= 0x3041 && c < 0xFF00 && c != 0x30FB) || c >= 0x20000;
}
inline bool is_one_of(std::uint32_t c, const char32_t *marks) {
    for (; *marks; ++marks)
        if (c == *marks) return true;
    return false;
}

}  // namespace text_stats

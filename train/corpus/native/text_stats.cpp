// What the corpus stage's rules and its normaliser ask of many texts at once.
#include "bindings.h"

#include <pybind11/stl.h>

#include "compression.h"
#include "english.h"
#include "lines.h"
#include "normaliser.h"
#include "repetition.h"
#include "word_finder.h"

namespace py = pybind11;
using namespace text_stats;

namespace {

using Table = py::array_t<std::uint8_t, py::array::c_style | py::array::forcecast>;
constexpr std::size_t CODE_POINTS = 0x110000, CLASSES = 8;

// How many characters have each of the 8 bits of `classes`, which has a byte for each code point.
py::array_t<double> class_counts(py::handle texts, const Table &classes) {
    if (classes.size() != CODE_POINTS) throw py::value_error("classes must have a byte for each code point");
    const std::uint8_t *bits = classes.data();
    return figures_of(texts, CLASSES, [&](auto text, double *row) {
        std::uint32_t counts[2][256] = {};  // two, as neighbours are mostly of one class
        for (std::size_t at = 0; at < text.size; ++at) ++counts[at & 1][bits[text[at]]];
        for (std::size_t value = 1; value < 256; ++value)
            for (std::size_t bit = 0; bit < CLASSES; ++bit)
                if (value >> bit & 1) row[bit] += counts[0][value] + counts[1][value];
    });
}

py::array_t<double> repetition_figures(py::handle texts, const std::vector<std::pair<std::size_t, double>> &tops,
                                       const std::vector<std::pair<std::size_t, double>> &duplicates,
                                       std::uint32_t few) {
    Repetition repetition;
    return figures_of(texts, tops.size() + duplicates.size(), [&](auto text, double *row) {
        std::uint32_t most = static_cast<std::uint32_t>(-1);
        for (const auto &[n, limit] : tops) {
            if (&n == &tops.front().first) most = repetition.most_often(text, n);
            if (most >= few && static_cast<double>(most) * n > limit * text.size) *row = repetition.top(text, n, few);
            ++row;
        }
        for (const auto &[n, limit] : duplicates) {
            // a longer n-gram that stood before is made of shorter ones that did: the share can only fall
            *row = repetition.duplicates(text, n);
            double highest = *row++;
            bool passes = true;
            for (const auto &other : duplicates) passes = passes && highest <= other.second;
            if (passes) break;
        }
    });
}

py::array_t<double> compression_figures(py::handle sequence, std::size_t excerpt) {
    const Texts texts(sequence);
    py::array_t<double> figures({texts.size(), static_cast<std::size_t>(COMPRESSION_FIGURES)});
    double *row = figures.mutable_data();
    std::fill(row, row + figures.size(), 0.0);
    Compression compression;
    std::vector<unsigned char> parts;
    for (std::size_t index = 0; index < texts.size(); ++index, row += COMPRESSION_FIGURES) {
        Py_ssize_t length = 0;
        const char *utf8 = PyUnicode_AsUTF8AndSize(texts[index], &length);
        if (!utf8) throw py::error_already_set();
        const auto *data = reinterpret_cast<const unsigned char *>(utf8);
        auto size = static_cast<std::size_t>(length);
        if (size > excerpt) {  // as train/corpus/rules/compression.py cuts it
            const std::size_t third = excerpt / 3, middle = size / 2;
            parts.assign(data, data + third);
            parts.insert(parts.end(), data + middle - third / 2, data + middle + third / 2);
            parts.insert(parts.end(), data + size - third, data + size);
            data = parts.data();
            size = parts.size();
        }
        compression.figures(data, size, row);
    }
    return figures;
}

py::array_t<double> word_counts(const WordFinder &finder, py::handle texts, std::size_t lists) {
    return figures_of(texts, lists, [&](auto text, double *row) {
        finder.find(text, [&](std::size_t list, std::size_t, std::size_t) { row[list] += 1; });
    });
}

py::list found_words(const WordFinder &finder, py::str string) {
    py::list found;
    with_text(string.ptr(), [&](auto text) {
        finder.find(text, [&](std::size_t list, std::size_t at, std::size_t length) {
            found.append(py::make_tuple(list, string[py::slice(at, at + length, 1)]));
        });
    });
    return found;
}

}  // namespace

void bind_text_stats(py::module_ &module) {
    module.def("class_counts", &class_counts, py::arg("texts"), py::arg("classes"));
    module.def("line_figures", [](py::handle texts, std::size_t short_chars) {
        std::unordered_set<std::uint64_t> seen;
        return figures_of(texts, LINE_FIGURES,
                          [&](auto text, double *row) { line_figures(text, short_chars, seen, row); });
    }, py::arg("texts"), py::arg("short_chars"));
    module.def("sentence_figures", [](py::handle texts) {
        return figures_of(texts, SENTENCE_FIGURES, [](auto text, double *row) { sentence_figures(text, row); });
    }, py::arg("texts"));
    module.def("word_figures", [](py::handle texts, const std::vector<std::string> &stop_words) {
        const Words words(stop_words);
        return figures_of(texts, WORD_FIGURES, [&](auto text, double *row) { words.figures(text, row); });
    }, py::arg("texts"), py::arg("stop_words"));
    module.def("repetition_figures", &repetition_figures, py::arg("texts"), py::arg("tops"), py::arg("duplicates"),
               py::arg("few"));
    module.def("compression_figures", &compression_figures, py::arg("texts"), py::arg("excerpt"));

    py::class_<WordFinder>(module, "WordFinder")
        .def(py::init<const std::vector<std::vector<std::u32string>> &>(), py::arg("lists"))
        .def("counts", &word_counts, py::arg("texts"), py::arg("lists"))
        .def("found", &found_words, py::arg("text"));

    py::class_<Normaliser>(module, "Normaliser")
        .def(py::init([](const std::unordered_map<std::uint32_t, std::u32string> &table,
                         const std::vector<std::uint32_t> &composing, bool collapse, const std::u32string &marks) {
                 if (!marks.empty() && marks.size() != 2) throw py::value_error("marks: a comma and a full stop");
                 const auto punctuation = marks.empty() ? Punctuation{} : Punctuation{marks[0], marks[1]};
                 return Normaliser(table, composing, Spacing{collapse}, punctuation);
             }),
             py::arg("table"), py::arg("composing"), py::arg("collapse"), py::arg("marks"))
        .def("__call__", [](Normaliser &normaliser, py::handle sequence) {
            const Texts texts(sequence);
            py::list made(texts.size());
            for (std::size_t index = 0; index < texts.size(); ++index) made[index] = normaliser(texts[index]);
            return made;
        }, py::arg("texts"));
}

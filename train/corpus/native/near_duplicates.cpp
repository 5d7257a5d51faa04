#include <algorithm>
#include <numeric>
#include <string>

#include "bindings.h"
#include "from_python.h"
#include "sketch.h"
#include "verify.h"

namespace py = pybind11;
using namespace dedup;

namespace {

void check(uint32_t index, size_t count, const char *name) {
    if (index < count) return;
    throw py::index_error(std::string(name) + " has " + std::to_string(index) + ", but there are " +
                          std::to_string(count) + " texts");
}

py::array_t<uint64_t> sketch_bands(const py::object &sequence, size_t bands, size_t rows) {
    unsigned bits = 1;
    while (bits < MAX_ROWS_BITS && (size_t(1) << bits) < bands * rows) ++bits;
    if (bands == 0 || rows == 0 || bands > 1024 || bands * rows != size_t(1) << bits) {
        throw py::value_error("bands * rows must be a power of two from 2 to 1024");
    }
    const Texts texts(sequence);
    const size_t count = texts.views.size();
    py::array_t<uint64_t, py::array::f_style> hashes({count, bands});
    uint64_t *out = hashes.mutable_data();
    {
        const py::gil_scoped_release release;
        Scratch scratch;
        std::vector<uint64_t> values(size_t(1) << bits);
        for (size_t i = 0; i < count; ++i) {
            const size_t grams = gram_hashes(texts.views[i], scratch);
            sketch(scratch.grams.data(), grams, bits, values.data());
            for (size_t band = 0; band < bands; ++band) {
                out[band * count + i] = band_hash(&values[band * rows], rows, band);
            }
        }
    }
    return hashes;
}

// `order`, or 0 to count - 1 when it is None.
std::vector<uint32_t> ordered(const py::object &order, size_t count) {
    if (count > UINT32_MAX) throw py::value_error("more than 2^32 - 1 texts");
    std::vector<uint32_t> indices;
    if (order.is_none()) {
        indices.resize(count);
        std::iota(indices.begin(), indices.end(), uint32_t(0));
    } else {
        const auto given = array_of<uint32_t>(order, 1, "order");
        indices.assign(given.data(), given.data() + given.size());
    }
    for (const uint32_t index : indices) check(index, count, "order");
    return indices;
}

py::tuple band_groups(const py::object &band, const py::object &order) {
    const auto array = array_of<uint64_t>(band, 1, "band");
    const std::vector<uint32_t> indices = ordered(order, static_cast<size_t>(array.size()));
    const uint64_t *hashes = array.data();
    Groups groups;
    {
        const py::gil_scoped_release release;
        groups = equal_hashes(hashes, indices);
    }
    return py::make_tuple(as_array(groups.members), as_array(groups.offsets));
}

py::array_t<uint32_t> verified_pairs(const py::object &sequence, const py::object &members, const py::object &offsets,
                                     double threshold, size_t cache_bytes) {
    if (!(threshold >= 0.5 && threshold <= 1)) throw py::value_error("threshold must be from 0.5 to 1");
    const Texts texts(sequence);
    Groups groups;
    const auto all = array_of<uint32_t>(members, 1, "members");
    groups.members.assign(all.data(), all.data() + all.size());
    const auto ends = array_of<uint64_t>(offsets, 1, "offsets");
    groups.offsets.assign(ends.data(), ends.data() + ends.size());
    for (const uint32_t member : groups.members) check(member, texts.views.size(), "members");
    if (groups.offsets.empty() || groups.offsets.front() != 0 || groups.offsets.back() != groups.members.size() ||
        !std::is_sorted(groups.offsets.begin(), groups.offsets.end())) {
        throw py::value_error("offsets must ascend from 0 to the number of members");
    }
    std::vector<Edge> edges;
    {
        const py::gil_scoped_release release;
        edges = Verifier(texts.views, threshold, cache_bytes).edges(groups);
    }
    py::array_t<uint32_t> pairs({edges.size(), size_t(2)});
    uint32_t *out = pairs.mutable_data();
    for (const Edge &edge : edges) {
        *out++ = edge.head;
        *out++ = edge.member;
    }
    return pairs;
}

py::array_t<uint32_t> cluster_leaders(size_t count, const py::object &edges, const py::object &order) {
    const auto pairs = array_of<uint32_t>(edges, 2, "edges");
    if (pairs.shape(1) != 2) throw py::value_error("edges must have two columns");
    const std::vector<uint32_t> indices = ordered(order, count);
    std::vector<uint32_t> positions(count, UINT32_MAX);
    for (size_t i = 0; i < indices.size(); ++i) positions[indices[i]] = static_cast<uint32_t>(i);
    if (indices.size() != count || std::count(positions.begin(), positions.end(), UINT32_MAX)) {
        throw py::value_error("order must have every text once");
    }
    Clusters clusters(count);
    const uint32_t *ends = pairs.data();
    for (py::ssize_t i = 0; i < pairs.shape(0); ++i) {
        check(ends[2 * i], count, "edges");
        check(ends[2 * i + 1], count, "edges");
        clusters.join(positions[ends[2 * i]], positions[ends[2 * i + 1]]);
    }
    py::array_t<uint32_t> leaders(static_cast<py::ssize_t>(count));
    uint32_t *out = leaders.mutable_data();
    for (size_t i = 0; i < count; ++i) out[i] = indices[clusters.find(positions[i])];
    return leaders;
}

}  // namespace

void bind_near_duplicates(py::module_ &module) {
    module.def("sketch_bands", &sketch_bands, py::arg("texts"), py::arg("bands"), py::arg("rows"),
               "Hash of each band of each text's sketch, [texts, bands].");
    module.def("band_groups", &band_groups, py::arg("band"), py::arg("order") = py::none(),
               "(members, offsets) of the groups of texts with the same hash.");
    module.def("verified_pairs", &verified_pairs, py::arg("texts"), py::arg("members"), py::arg("offsets"),
               py::arg("threshold"), py::arg("cache_bytes"), "Pairs (head, member) that are alike, [pairs, 2].");
    module.def("cluster_leaders", &cluster_leaders, py::arg("count"), py::arg("edges"), py::arg("order") = py::none(),
               "The first member of each text's cluster, [count].");
}

"""Which file the page says to ship, that it shows what the report holds, and that no name on a chart covers another."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from lilm.export.quality.page.advice import advise, kind_of
from lilm.export.quality.page.charts import SIZE
from lilm.export.quality.page.choice import choose, front
from lilm.export.quality.page.html import quant_page
from lilm.fit.known.devices import load_devices
from lilm.report.labels import Name, place_names
from tests.export.made_report import FULL, device, report, row

Q8 = row("Q8_0", 32.0, 0.001, (0.0001, 0.0002), 0.0001)
Q6 = row("Q6_K", 25.0, 0.004, (0.001, 0.0008))
Q4_K = row("Q4_K_M", 19.0, 0.02, (0.003, 0.004))
Q4_0 = row("Q4_0", 17.0, 0.04, (0.009, 0.012))
Q3 = row("Q3_K_M", 15.0, 0.12, (0.05, 0.06))
ALL = [FULL, Q8, Q6, Q4_K, Q4_0, Q3]


@pytest.mark.parametrize(
    ("files", "fitting", "expected"),
    [
        # all fit: the smallest that keeps the bound in both languages
        (ALL, None, ("Q4_K_M", True, "Q4_0", ())),
        # English alone is over the bound
        ([FULL, Q8, row("A", 20.0, 0.01, (0.001, 0.006))], None, ("Q8_0", True, "A", ())),
        # a smaller file that is nearer too: the larger one is not on the front
        ([FULL, row("mix", 18.0, 0.01, (0.002, 0.002)), Q4_K, Q4_0], None, ("mix", True, "Q4_0", ())),
        # only those that fit count
        (ALL, {"Q4_0", "Q3_K_M"}, ("Q4_0", False, "Q3_K_M", ())),
        (ALL, {"Q3_K_M"}, ("Q3_K_M", False, None, ())),
        (ALL, set(), (None, False, None, ())),
        # no quantised file keeps it, and the whole model fits
        ([FULL, Q4_0], None, ("F16", True, "Q4_0", ())),
        # what was made to compare with is not shipped
        ([FULL, Q8, row("Q4_K_M + imatrix", 19.0, 0.01, control=True)], None, ("Q8_0", True, None, ())),
        # the bound lies within the interval of the chosen one, or of a smaller one: too little to tell
        ([FULL, Q8, row("A", 20.0, 0.01, (0.004, 0.001), 0.002)], None, ("A", True, None, ("A",))),
        ([FULL, Q8, row("A", 20.0, 0.01, (0.006, 0.001), 0.002)], None, ("Q8_0", True, "A", ("A",))),
        # sure to be over it in one language, whatever the other one says
        ([FULL, Q8, row("A", 20.0, 0.01, (0.005, 0.02), 0.002)], None, ("Q8_0", True, "A", ())),
        # one that is smaller and nearer in Japanese costs too much English: what keeps both is shipped, not F16
        ([FULL, row("big", 20.0, 0.012, (0.004, 0.003)), row("A", 18.0, 0.01, (0.003, 0.02))], None,
         ("big", True, "A", ())),
        # none keeps it, and the next one is as near as can be told
        ([FULL, Q4_0, row("B", 16.0, 0.0405, (0.02, 0.02))], {"Q4_0", "B"}, ("Q4_0", False, "B", ("B",))),
    ],
)  # fmt: skip
def test_the_rule(files: list[dict[str, Any]], fitting: set[str] | None, expected: tuple[Any, ...]) -> None:
    names = {one["name"] for one in files if fitting is None or one["quant"] in fitting}
    found = choose(report(files), names)
    quants = [one and one["quant"] for one in (found.file, found.smaller)]
    assert (quants[0], found.within, quants[1], found.unsure) == expected


def test_the_front_is_what_no_file_beats_in_both() -> None:
    beaten = row("beaten", 20.0, 0.03)
    twin = row("twin", 19.0, 0.02)
    assert [one["quant"] for one in front([*ALL, beaten, twin], "ja")] == [
        *("Q3_K_M", "Q4_0", "Q4_K_M", "Q6_K", "Q8_0", "F16")
    ]


LONGEST = {"F16": 0, "Q8_0": 0, "Q6_K": 512, "Q4_K_M": 1024, "Q4_0": 2048, "Q3_K_M": 4096}
EVERYTHING = dict.fromkeys(LONGEST, 4096)
DEVICES = [
    device("small", "iOS, Safari", "tab", 300, {**LONGEST, "Q4_K_M": 512, "Q4_0": 1024}),
    device("middle", "iOS, Safari", "tab", 350, LONGEST),
    device("large", "iOS, Safari", "tab", 450, LONGEST),
    device("tiny", "Android 8.0, Chrome 88", "tab", 100, {**dict.fromkeys(LONGEST, 0), "Q3_K_M": 256}),
    device("phone", "iOS", "app", 2100, EVERYTHING, slow=["model-Q4_K_M.gguf"]),
    device("computer", "Chrome 83 and newer", "tab", 4294, EVERYTHING),
]


def test_each_kind_of_device_is_told_its_file_with_the_figures() -> None:
    found = {(one.kind, one.devices): one for one in advise(report(ALL, DEVICES))}
    assert [(*key, one.file) for key, one in found.items()] == [
        ("iPhone, in Safari", "small: 300 MB", "Q4_0"),
        ("iPhone, in Safari", "middle, large: 350 to 450 MB", "Q4_K_M"),
        ("Android phone, in its browser", "tiny: 100 MB", ""),
        ("iPhone, in an app", "phone: 2,100 MB", "Q4_K_M"),
        ("laptop or desktop, in its browser", "computer: 4,294 MB", "Q4_K_M"),
    ]
    words = [one.words for one in found.values()]
    assert "none of which keeps the bound" in words[0] and "KL divergence 0.04" in words[0]
    assert words[1].startswith("19.0 MB: the smallest that fits and keeps the bound (Japanese +0.30%, English +0.40%")
    assert words[1].endswith("Q4_0, 17.0 MB, has Japanese +0.90%, English +1.20%.")
    assert words[2] == "No file fits with a context of 1,024 tokens; Q3_K_M does with 256."
    assert "It is slow there" in words[3] and "slow" not in words[4]
    unsure = advise(
        report([FULL, Q8, row("A", 20.0, 0.01, (0.004, 0.001), 0.002)], [device("x", "iOS", "app", 9, {"A": 2048})])
    )
    assert "Too little to tell: the interval of A has the bound in it." in unsure[0].words


def test_every_known_device_is_of_a_kind_that_people_know() -> None:
    kinds = {kind_of({"os": one.os, "kind": one.kind}) for one in load_devices().values()}
    assert kinds == {
        *("iPhone, in Safari", "iPad, in Safari", "Android phone, in its browser", "laptop or desktop, in its browser"),
        *("iPhone, in an app", "iPad, in an app", "Android phone, in an app"),
    }


class Reader(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


OWN = {"size_bytes_off": 0, "blocks_exact": 0.9999, "fit_error": -0.021}
EVIL = "<script>alert('x')</script>&\u202e\x07"


@pytest.fixture(scope="module")
def page() -> str:
    faults = {"ended": True, "loops": True, "wrong_language": False, "broken": False}
    control = row("Q4_0 + imatrix", 17.0, 0.03, (0.007, 0.01), control=True, note="rounded with an importance matrix")
    texts = {one["quant"]: {"text": f"{EVIL} by {one['quant']}", **faults} for one in ALL}
    samples = [{"kind": "ja", "prompt": f"むかし{EVIL}", "texts": texts}]
    return quant_page(report([*ALL, control], DEVICES, samples=samples, name=f"made {EVIL}"), OWN)


def test_the_page_shows_what_the_report_holds(page: str) -> None:
    text = " ".join(Reader(page).text.split())
    assert "Ship Q4_K_M" in text
    for title in ("Japanese text", "English text", "chats", "writing, tokens a second", "Q4_K_M, by layer"):
        assert title in text
    assert "0.02000 ± 0.00200" in text and "+0.30% ± 0.05" in text
    assert "3,000 tokens of 30 documents" in text
    assert text.count("by Q4_0") == 1 and "rounded with an importance matrix" in text
    assert "a context of 256 tokens is no longer" in text
    assert "to the byte as large as what its types foretold" in text
    assert "99.99% of the learnt blocks" in text and "at most 2.1% off" in text


def test_the_page_needs_nothing_else_and_text_cannot_break_it(page: str) -> None:
    tags = Reader(page).tags
    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in tags}
    asked = [value for _, attributes in tags for name, value in attributes.items() if name in ("src", "href")]
    assert not asked or all(value is not None and value.startswith("#") for value in asked)
    assert not re.search(r"url\((?!#)|@import", page)
    assert "<script" not in page and "\x07" not in page
    charts = [attributes for tag, attributes in tags if tag == "svg"]
    assert len(charts) == 5 and all(one["role"] == "img" for one in charts)
    labels = [str(one["aria-label"]) for one in charts]
    assert len(set(labels)) == 5 and "Q4_0 17 MB 0.04 (0.036 to 0.044)" in labels[0]


def test_a_page_of_what_was_not_measured_says_so() -> None:
    nothing = dict.fromkeys(("prefill", "decode", "wasm_prefill", "wasm_decode", "load_s", "peak_mb", "written"))
    bare = [{**one, **nothing, "texts": dict(one["texts"])} for one in ALL]
    model = report(bare, DEVICES, no_page="Chromium is not installed")
    del model["measured_on"]["chat"]
    for one in bare:
        del one["texts"]["chat"]
    text = " ".join(Reader(quant_page(model, dict.fromkeys(OWN))).text.split())
    assert "Not measured. In Chromium: Chromium is not installed." in text
    assert "What they write" not in text


@pytest.mark.parametrize("apart", [1.0, 0.02, 0.0])
def test_no_name_covers_another_or_leaves_the_chart(apart: float) -> None:
    figure = Figure(figsize=SIZE, dpi=72, layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.subplots()
    names = [Name(f"model-of-{at}", 10 + at * apart, 1 + (at % 3) * apart, needed=at < 6) for at in range(10)]
    axes.plot([one.x for one in names], [one.y for one in names], "o")
    axes.margins(0.16)
    boxes = place_names(axes, names, 9, "black")
    assert len(boxes) >= 6
    frame = axes.get_window_extent()
    for at, box in enumerate(boxes):
        assert all(box.overlap(other) == 0 for other in boxes[at + 1 :])
        assert frame.x0 <= box.left and box.right <= frame.x1 and frame.y0 <= box.bottom and box.top <= frame.y1

"""An answer's Markdown becomes elements; all else stays text."""

from collections.abc import Callable
from typing import Any

import pytest

SHOWN = """async (source) => {
  const { markdown } = await import("./markdown.js");
  const whole = document.createElement("div");
  whole.append(...markdown(source));
  return whole.innerHTML;
}"""

CASES = (
    ("one\ntwo\n\nthree", "<p>one\ntwo</p><p>three</p>"),
    ("a **b** *c* `d*e*`", "<p>a <strong>b</strong> <em>c</em> <code>d*e*</code></p>"),
    ("**太字**です。*強調*も", "<p><strong>太字</strong>です。<em>強調</em>も</p>"),
    ("**a *b* c**", "<p><strong>a <em>b</em> c</strong></p>"),
    ("2*3*4 and 2 * 3 * 4 and **", "<p>2*3*4 and 2 * 3 * 4 and **</p>"),
    ("# One\n### Two", "<h3>One</h3><h5>Two</h5>"),
    ("- a\n- b\n\nc", "<ul><li>a</li><li>b</li></ul><p>c</p>"),
    ("3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'),
    ("- a\n  1. b\n  2. c\n- d", "<ul><li>a<ol><li>b</li><li>c</li></ol></li><li>d</li></ul>"),
    ("・りんご\n・みかん", "<ul><li>りんご</li><li>みかん</li></ul>"),
    ("> a\n> b", "<blockquote><p>a\nb</p></blockquote>"),
    ("```py\nif a < b:\n  *c*\n```\nd", '<pre tabindex="0"><code>if a &lt; b:\n  *c*</code></pre><p>d</p>'),
    ("```\nstill open", '<pre tabindex="0"><code>still open</code></pre>'),
    ("<img src=x onerror=alert(1)>", "<p>&lt;img src=x onerror=alert(1)&gt;</p>"),
    ("- <b>x</b>\n> <i>", "<ul><li>&lt;b&gt;x&lt;/b&gt;</li></ul><blockquote><p>&lt;i&gt;</p></blockquote>"),
    ("[a](javascript:alert(1)) https://example.org", "<p>[a](javascript:alert(1)) https://example.org</p>"),
    ("-", "<p>-</p>"),
    (
        "a\n| x | *y* |\n|---|--:|\n| 1 \\| 2 | <b> |\n| 3\n\nb",
        '<p>a</p><div class="table" tabindex="0"><table><thead><tr><th>x</th><th data-align="right"><em>y</em></th>'
        '</tr></thead><tbody><tr><td>1 | 2</td><td data-align="right">&lt;b&gt;</td></tr><tr><td>3</td></tr></tbody>'
        "</table></div><p>b</p>",
    ),
    ("| no | table |", "<p>| no | table |</p>"),
    ("```", '<pre tabindex="0"><code></code></pre>'),
    ("", ""),
)


@pytest.fixture
def page(open_page: Callable[..., Any]) -> Any:
    return open_page()


def test_markdown(page: Any) -> None:
    for source, shown in CASES:
        assert page.evaluate(SHOWN, source) == shown


def test_quotes_and_lists_in_each_other_end_as_text(page: Any) -> None:
    shown = page.evaluate(SHOWN, ">" * 25 + " said")
    assert shown == "<blockquote>" * 20 + "<p>&gt;&gt;&gt;&gt;&gt; said</p>" + "</blockquote>" * 20
    items = page.evaluate(SHOWN, "\n".join("  " * depth + f"- {depth}" for depth in range(25)))
    assert items.count("<ul>") == 20 and "- 24" in items


def test_long_and_odd_text_takes_no_time(page: Any) -> None:
    """Every frame draws the answer so far: no text may make the patterns search for long."""
    for source in (
        "*" * 20_000,
        "`" * 20_000,
        "**a " * 5000,
        "x " + "`" * 50_000,
        "- " * 5000,
        "> " * 2000,
        ">" * 20_000,
        "\n".join(" " * depth + "- a" for depth in range(1000)),
        "\n" * 20_000,
        "| " * 9000,
        "| a |\n|---|\n" * 3000,
    ):
        assert page.evaluate(f"async (source) => (await ({SHOWN})(source)).length >= 0", source)


MOST = 1_000_000  # characters that an answer in a file may have: it was shown after minutes, at each visit anew


@pytest.mark.parametrize("piece", ["**a ", "x`", "`", "|a|\n|-|\n", "a\n\n", "> - a\n"])
def test_an_answer_as_long_as_a_file_may_bring_it_is_shown_at_once(page: Any, piece: str) -> None:
    source = (piece * (MOST // len(piece))).rstrip()
    took, shown = page.evaluate(
        """async (source) => {
          const { markdown } = await import("./markdown.js");
          const started = performance.now();
          const whole = document.createElement("div");
          whole.append(...markdown(source));
          return [performance.now() - started, whole.textContent.length];
        }""",
        source,
    )
    assert took < 5000
    assert shown > 0.9 * len(source)  # as text, what is not Markdown

"""Languages told apart, on real Japanese and English and on lines of their neighbours."""

from pathlib import Path

import pytest

from lilm.errors import LilmError
from lilm.train.corpus.language import excerpt, other_language, tell
from tests.train.corpus.conftest import read, source

CHINESE = "中国是世界上历史最悠久的国家之一，中国各族人民共同创造了光辉灿烂的文化，具有光荣的革命传统。"
TAIWANESE = "臺灣是位於亞洲東部、太平洋西北側的島嶼，介於琉球群島與菲律賓群島之間，西隔臺灣海峽與中國大陸相望。"
KOREAN = "대한민국은 동아시아의 한반도 남부에 자리한 민주공화국이다. 수도는 서울특별시이며 국기는 태극기이다."
FRENCH = "La lune tournait lentement autour de la maison pendant que les enfants dormaient dans leurs petits lits."


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        (CHINESE, "zh"),
        (TAIWANESE, "zh"),
        (KOREAN, "ko"),
        (FRENCH, "fr"),
        ("Der Mond stand über dem Haus, während die Kinder in ihren kleinen Betten schliefen und träumten.", "de"),
        ("Once upon a time there was a little girl who liked to play outside in the park with her dog.", "en"),
        ("ﾊﾝｶｸﾉｶﾀｶﾅﾀﾞｹﾃﾞｶｲﾀﾌﾞﾝｼｮｳ", "ja"),
        ("Pythonのlist.append()でAPI経由のJSONをparseしてからDataFrameにします。", "ja"),
        (CHINESE + "作者：さくら", "zh"),  # a name in kana makes no Japanese
    ],
)
def test_neighbours_are_told_apart(text: str, lang: str) -> None:
    assert tell(text, "ja")[0] == lang
    keep, reason = other_language(text, "ja")
    assert keep is (lang == "ja")
    assert keep or reason.startswith(f"{lang} (0.") or reason.startswith(f"{lang} (1.")


@pytest.mark.parametrize("text", ["", "12345 67890", "東京大学", "OK", "def f(x): return x + 1"])
def test_what_is_unclear_is_left_alone(text: str) -> None:
    assert other_language(text, "ja") == (True, "")
    assert other_language(text, "en") == (True, "")


def test_only_the_beginning_middle_and_end_are_looked_at() -> None:
    text = "a" * 1_000 + "b" * 1_000_000 + "c" * 1_000
    assert excerpt(text) == "\n".join(letter * 300 for letter in "abc")
    assert excerpt("a" * 900) == "a" * 900


def test_an_unknown_language_is_named() -> None:
    with pytest.raises(LilmError, match="does not know 'xx'"):
        tell(FRENCH, "xx")


def test_a_rarer_language_can_be_expected() -> None:
    swahili = "Mwezi ulizunguka nyumba polepole wakati watoto walikuwa wamelala katika vitanda vyao vidogo usiku."
    assert other_language(swahili, "sw")[0] is True


def wrong(texts: list[str], lang: str) -> list[tuple[str, str]]:
    told = [(text, other_language(text, lang)) for text in texts]
    return [(reason, text[:60]) for text, (keep, reason) in told if not keep]


def test_real_japanese_is_japanese(shared_data: Path) -> None:
    works = [str(text) for text in read(source(f"{shared_data}/ja_text/aozora/**/*.txt", "aozora", limit=200))]
    paragraphs = [line for work in works for line in work.split("\n") if len(line) >= 50][:2_000]
    encyclopedia = [
        str(text) for text in read(source(f"{shared_data}/ja_text/jaquad_wiki/*.json", "squad", limit=1_000))
    ]
    assert len(works) == 200 and len(paragraphs) == 2_000 and len(encyclopedia) == 1_000
    assert wrong(works, "ja") == [] and wrong(encyclopedia, "ja") == []
    assert len(wrong(paragraphs, "ja")) <= 2
    assert len(wrong(paragraphs, "en")) >= 1_998


def test_real_english_is_english(shared_data: Path) -> None:
    texts = [str(text) for text in read(source(f"{shared_data}/en_text/**/*.txt", lang="en", separator="\n\n"))]
    paragraphs = [text for text in texts if len(text) >= 50][:2_000]
    assert len(paragraphs) == 2_000
    assert wrong(paragraphs, "en") == []
    assert len(wrong(paragraphs, "ja")) >= 1_980

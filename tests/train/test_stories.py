"""The stories and chats that come with the project: fixed by their seed, varied, well formed, true to themselves."""

import itertools
import random
import re
import zlib
from collections import defaultdict

import pytest

from lilm.errors import LilmError
from lilm.train.stories import chats, english, japanese, plots, repeat_report, stories, world
from lilm.train.stories.inflect import inflect
from lilm.train.stories.tables import tables

N = 2000
PINNED_STORIES = {"ja": 757064562, "en": 508781897}
PINNED_CHATS = {"ja": 34909789, "en": 1679201196}
LANGUAGES = ("ja", "en")
ASCII = re.compile(r"[!-~]")
HIRAGANA = re.compile(r"[ぁ-ん]")


@pytest.fixture(scope="module", params=LANGUAGES)
def told(request: pytest.FixtureRequest) -> tuple[str, list[str]]:
    return request.param, list(stories(request.param, N, seed=3))


def words_of_chats(lang: str, count: int) -> list[str]:
    return [message["content"] for chat in chats(lang, count, seed=3) for message in chat]


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("make", [stories, chats])
def test_an_item_depends_on_seed_and_place_alone(make, lang):
    assert list(make(lang, 50, seed=1)) == list(make(lang, 200, seed=1))[:50]
    assert list(make(lang, 50, seed=1)) != list(make(lang, 50, seed=2))


def test_stories_stay_the_same_over_releases():
    # A change here changes every quickstart model: make it on purpose.
    digest = {lang: zlib.crc32("\n".join(stories(lang, 200, seed=0)).encode()) for lang in LANGUAGES}
    talked = {lang: zlib.crc32(repr(list(chats(lang, 200, seed=0))).encode()) for lang in LANGUAGES}
    assert (digest, talked) == (PINNED_STORIES, PINNED_CHATS)


@pytest.mark.parametrize("make", [stories, chats])
def test_another_language_names_the_ones_there_are(make):
    with pytest.raises(LilmError, match=r"'fr'.*ja, en"):
        make("fr", 1, seed=0)


def test_no_story_twice(told):
    assert len(set(told[1])) == N


def test_no_near_duplicates(told):
    """No two of the stories have a Jaccard similarity of 0.8 over 5-grams."""
    shingles = [frozenset(text[i : i + 5] for i in range(len(text) - 4)) for text in told[1][:800]]
    # Prefix filter: similar sets must share one of their rarest shingles.
    how_often: dict[str, int] = defaultdict(int)
    for gram in itertools.chain.from_iterable(shingles):
        how_often[gram] += 1
    met: dict[str, list[int]] = defaultdict(list)
    for index, grams in enumerate(shingles):
        rarest = sorted(grams, key=lambda g: (how_often[g], g))[: len(grams) - -(-len(grams) * 8 // 10) + 1]
        for other in {j for gram in rarest for j in met[gram]}:
            assert len(grams & shingles[other]) / len(grams | shingles[other]) < 0.8, told[1][index]
        for gram in rarest:
            met[gram].append(index)


def test_stories_pass_the_corpus_rules(told):
    lang, texts = told
    for text in texts:
        assert len(text) >= 50
        assert len(zlib.compress(text.encode())) / len(text.encode()) >= 0.3
        if lang == "ja":
            assert len(HIRAGANA.findall(text)) / len(text) >= 0.2
            assert len(text) <= 500
        else:
            assert 35 <= len(text.split()) <= 160


@pytest.mark.parametrize("lang", LANGUAGES)
def test_text_is_clean(lang):
    for text in [*stories(lang, N, seed=5), *words_of_chats(lang, N)]:
        assert not set("{}<>|\n") & set(text), text
        if lang == "ja":
            assert not ASCII.search(text) and " " not in text, text
            assert re.fullmatch(r"[^「」]*(「[^「」]+」[^「」]*)*", text), text
            assert text[-1] in "。」！？", text
            assert not re.search(r"[。、][。、]|「[。、]|[^。！？]$", text.rstrip("」")), text
        else:
            assert text.isascii() and "  " not in text, text
            assert text.count('"') % 2 == 0, text
            assert re.match(r'["A-Z]', text) and text[-1] in '."!?', text
            # Every sentence begins with a capital letter.
            assert not re.search(r'[.!?] "?[a-z]', re.sub(r'[!?]" \w+', "", text)), text
            assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", text), text


def test_every_name_in_a_story_is_a_member_of_its_cast():
    female, male = set(tables("ja").words.animal_girls), set(tables("ja").words.animal_boys)
    children = {f"{name}ちゃん" for name in tables("ja").words.girls} | {
        f"{name}くん" for name in tables("ja").words.boys
    }
    for index in range(N):
        rng = random.Random(f"names {index}")
        story = plots.draw(rng)
        own = {japanese.character("hero", story.hero)["hero"], japanese.character("friend", story.friend)["friend"]}
        text = japanese.tell(story, rng)
        # Animals' names are katakana; a run of katakana that is one of them must be this story's.
        assert set(re.findall(r"[ァ-ヶー]+", text)) & (female | male) <= own
        assert {name for name in children if name in text} <= own
        english_names = {english.character("x", who)["x"] for who in (story.hero, story.friend)}
        said = set(re.findall(r"\b[A-Z][a-z]+\b", english.tell(story, rng)))
        assert said & {*tables("en").words.female, *tables("en").words.male} <= english_names
        assert japanese.character("hero", story.hero)["hero"] in text


def test_what_is_lost_is_found():
    seen = 0
    for index in range(N):
        rng = random.Random(f"lost {index}")
        story = plots.draw(rng, names=("lost",), short=True)
        thing = japanese.slots(story, polite=True)["thing"]
        text = japanese.tell(story, rng, polite=True)
        spot = tables("ja").words.spots[story.picks["spot"]]
        assert thing in text and spot in text[text.index(thing) :]
        assert spot != tables("ja").words.spots[story.picks["wrong"]]
        seen += 1
    assert seen == N


@pytest.mark.parametrize("polite", [True, False])
def test_a_story_keeps_one_style(polite):
    """Outside quotations a Japanese story is polite throughout or plain throughout."""
    for index in range(N):
        rng = random.Random(f"style {index}")
        text = japanese.tell(plots.draw(rng), rng, polite=polite)
        for sentence in re.sub(r"「[^」]*」", "", text).split("。")[:-1]:
            if sentence:
                said = re.search(r"(?:です|(?<!さ)ました|でした|ます|ません)$", sentence)
                assert bool(said) == polite or sentence.endswith("さました"), text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_chats_alternate_and_answer_in_sentences(lang):
    sizes = set()
    for chat in chats(lang, N, seed=4):
        sizes.add(len(chat))
        assert [m["role"] for m in chat] == ["user", "assistant"] * (len(chat) // 2)
        for message in chat[1::2]:
            assert re.search(r"[。」]$" if lang == "ja" else r'[.?!"]$', message["content"]), message
        asked = [m["content"] for m in chat[::2]]
        assert len(set(asked)) == len(asked)
    assert sizes == {2, 4, 6}


def test_japanese_chats_hold_the_everyday_questions():
    answers = {}
    for chat in chats("ja", 5000, seed=1):
        for user, assistant in itertools.pairwise(chat):
            if user["role"] == "user":
                answers[user["content"]] = assistant["content"]
    assert answers["こんにちは。"] == "こんにちは。きょうはどんなおはなしをしましょうか。"
    assert answers["好きな食べ物は何ですか。"].startswith("わたしの好きな食べ物は")
    assert "動物" in answers["ねこはどんな動物ですか。"]
    assert answers["「大きい」の反対は何ですか。"] == "「大きい」の反対は「小さい」です。"


def test_answers_about_a_scene_are_in_the_scene():
    from lilm.train.stories import chats_english, chats_japanese

    for index in range(500):
        question, answer = chats_japanese.scene(random.Random(f"scene {index}"))
        name = re.search(r"(?:のは)?([ァ-ヶー]{2,}|[ぁ-ん]+(?:ちゃん|くん))", answer.rpartition("のは")[2])
        assert name is None or name[1] in question
        question, answer = chats_english.scene(random.Random(f"scene {index}"))
        assert answer.split()[0] in question


def test_both_languages_tell_every_plot_and_every_subject():
    beats = {beat.removesuffix("?") for plot in plots.PLOTS.values() for beat in plot.beats} - {"scene"}
    beats |= {f"scene_{season}" for season in world.SEASONS}
    assert set(tables("ja").beats) == set(tables("en").beats) == beats
    for table, rows in world.TABLES.items():
        assert set(tables("ja").subjects[table]) == set(tables("en").subjects[table]) == {row.id for row in rows}
    for place in world.OUTDOORS:
        assert set(world.SPOTS[place]) <= set(tables("ja").words.spots) & set(tables("en").words.spots)


@pytest.mark.parametrize(
    ("word", "polite", "plain", "polite_not", "plain_not"),
    [
        ("さがす", "さがしました", "さがした", "さがしませんでした", "さがさなかった"),
        ("行く", "行きました", "行った", "行きませんでした", "行かなかった"),
        ("聞く", "聞きました", "聞いた", "聞きませんでした", "聞かなかった"),
        ("泳ぐ", "泳ぎました", "泳いだ", "泳ぎませんでした", "泳がなかった"),
        ("言う", "言いました", "言った", "言いませんでした", "言わなかった"),
        ("持つ", "持ちました", "持った", "持ちませんでした", "持たなかった"),
        ("遊ぶ", "遊びました", "遊んだ", "遊びませんでした", "遊ばなかった"),
        ("読む", "読みました", "読んだ", "読みませんでした", "読まなかった"),
        ("帰る", "帰りました", "帰った", "帰りませんでした", "帰らなかった"),
        ("食べる", "食べました", "食べた", "食べませんでした", "食べなかった"),
        ("ある", "ありました", "あった", "ありませんでした", "なかった"),
        ("くる", "きました", "きた", "きませんでした", "こなかった"),
        ("する", "しました", "した", "しませんでした", "しなかった"),
        ("だ", "でした", "だった", "ではありませんでした", "ではなかった"),
        ("うれしい", "うれしかったです", "うれしかった", "うれしくありませんでした", "うれしくなかった"),
        ("いい", "よかったです", "よかった", "よくありませんでした", "よくなかった"),
    ],
)
def test_japanese_endings(word, polite, plain, polite_not, plain_not):
    assert inflect(word) == polite
    assert inflect(word, polite=False) == plain
    assert inflect(word, "neg") == polite_not
    assert inflect(word, "neg", polite=False) == plain_not


def test_a_word_of_unknown_class_is_not_guessed():
    with pytest.raises(LilmError, match="ほげる"):
        inflect("ほげる")


@pytest.mark.parametrize("lang", LANGUAGES)
def test_held_out_stories_are_not_in_the_training_part(lang):
    report = repeat_report(lang, 4000, seed=1)
    assert report["heldout_stories"] == 200
    assert report["stories_seen"] == 0
    assert 0 < report["sentences_seen"] < 0.75


def test_repeats_are_counted(monkeypatch):
    from lilm.train.stories import report

    monkeypatch.setattr(report, "stories", lambda lang, count, seed: iter(["ねこがいた。いぬがいた。"] * count))
    assert repeat_report("ja", 20, seed=0)["stories_seen"] == 1
    texts = ["ねこがいた。いぬがいた。"] * 19 + ["ねこがいた。うまがはしった。"]
    monkeypatch.setattr(report, "stories", lambda lang, count, seed: iter(texts))
    found = repeat_report("ja", 20, seed=0)
    assert (found["stories_seen"], found["sentences_seen"]) == (0, 0.5)

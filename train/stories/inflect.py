"""Japanese endings for the words the templates use: `<さがす>` becomes さがしました or さがした by the story's style.

In a template `<word>` is the past, `<word:neg>` the negative past, `<word:now>` the present, `<word:not>` the
negative present; the style (polite です・ます or plain だ・た) is the whole story's. Rules as in any school grammar:
a godan verb changes its last kana along the row, an ichidan verb drops る.
"""

import re

from lilm.errors import LilmError

_GODAN_WORDS = """
さがす わたす 返す 走りだす 出す なおす 話す 思い出す 下ろす わかす かわかす かくす おす おこす さます 行く 歩く 聞く
やく まく かく 書く さく 着く なく 鳴く つく 引く だきつく たたく うなずく つなぐ 泳ぐ いそぐ 言う 笑う しまう 思う
歌う 会う もらう 買う 拾う あらう あう 持つ 待つ 遊ぶ さけぶ よろこぶ むすぶ よぶ とぶ ころぶ うかぶ 読む つむ あむ
進む 休む ふくらむ たのむ なる ある 帰る 切る 走る 見つかる 入る 光る 作る 上がる もどる はる おどる 知る 取る のぼる
ねむる にぎる すわる すべる がんばる おる 通りかかる 立ちどまる 引っぱる 広がる ほる のる ぬる なくなる とまる こまる
かざる かかる ふりかえる ふる
"""
_ICHIDAN_WORDS = """
いる 考える 出る 見る 食べる あげる 答える できる くれる つける 見つける 見せる 見える 入れる みる ほめる かける われる
やぶれる ふるえる はじめる のせる ねむれる おれる 集める 開ける 起きる 立てる 消える 植える 数える 忘れる 合わせる
分ける まぜる ねる ならべる なでる こねる あてる 答えられる あきらめる
"""
_GODAN = frozenset(_GODAN_WORDS.split())
_ICHIDAN = frozenset(_ICHIDAN_WORDS.split())
_ADJECTIVES = frozenset(("おいしい", "うれしい", "重い", "楽しい", "さびしい", "こわい", "いい"))
# A godan verb's last kana: what it becomes before ない, before ます, and in the plain past.
_ROWS = {
    "す": ("さ", "し", "した"), "く": ("か", "き", "いた"), "ぐ": ("が", "ぎ", "いだ"), "う": ("わ", "い", "った"),
    "つ": ("た", "ち", "った"), "ぶ": ("ば", "び", "んだ"), "む": ("ま", "み", "んだ"), "る": ("ら", "り", "った"),
}  # fmt: skip

_MARK = re.compile(r"<([^<>:]+)(?::(neg|now|not))?>")


def inflect(word: str, form: str = "", *, polite: bool = True) -> str:
    """One ending. form: "" past, "neg" negative past, "now" present, "not" negative present.

    Raises LilmError for a word whose class is not listed here, rather than guess it.
    """
    if word == "だ":
        by_form = {"": ("でした", "だった"), "neg": ("ではありませんでした", "ではなかった"),
                   "now": ("です", "だ"), "not": ("ではありません", "ではない")}  # fmt: skip
        return by_form[form][0 if polite else 1]
    if word in _ADJECTIVES:
        stem = "よ" if word == "いい" and form != "now" else word[:-1]
        if polite and form in ("neg", "not"):
            return stem + {"neg": "くありませんでした", "not": "くありません"}[form]
        ending = {"": "かった", "neg": "くなかった", "now": "い", "not": "くない"}[form]
        return stem + ending + ("です" if polite else "")
    i_stem, a_stem, ta = _stems(word)
    if polite:
        return i_stem + {"": "ました", "neg": "ませんでした", "now": "ます", "not": "ません"}[form]
    return {"": ta, "neg": a_stem + "なかった", "now": word, "not": a_stem + "ない"}[form]


def _stems(verb: str) -> tuple[str, str, str]:
    """The stem before ます, the stem before ない, and the past in た."""
    if verb == "くる":
        return "き", "こ", "きた"
    if verb.endswith("する"):
        head = verb[:-2]
        return head + "し", head + "し", head + "した"
    if verb == "ある":
        return "あり", "", "あった"
    if verb in _ICHIDAN:
        return verb[:-1], verb[:-1], verb[:-1] + "た"
    if verb in _GODAN:
        head, last = verb[:-1], verb[-1]
        a, i, ta = _ROWS[last]
        return head + i, head + a, head + ("った" if verb == "行く" else ta)
    raise LilmError(f"the word '{verb}' has no listed way to inflect", where="lilm.train.stories.inflect")


def fill_endings(template: str, *, polite: bool) -> str:
    """Replaces every `<word:form>` mark of a template; slots in braces stay as they are."""
    return _MARK.sub(lambda m: inflect(m[1], m[2] or "", polite=polite), template)

"""Clean text of other scripts is kept, and as its readers write it."""

import pytest

from lilm.recipe import RulesConfig
from lilm.train.corpus.normalise import normalise
from lilm.train.corpus.pieces import pieces
from lilm.train.corpus.rules import refusals, without_boilerplate
from tests.train.made_languages import indonesian, korean, vietnamese

THAI = (
    "เมื่อวานนี้ฝนตกหนักตลอดทั้งคืนจนน้ำในคลองหลังบ้านเกือบล้นตลิ่ง",
    "แม่จึงบอกให้ทุกคนช่วยกันขนของขึ้นไปไว้บนชั้นสอง",
    "น้องสาวของฉันกลัวเสียงฟ้าร้องมากเลยไม่ยอมนอนคนเดียว",
    "พ่อเล่านิทานเรื่องกระต่ายกับเต่าให้พวกเราฟังจนหลับไป",
    "เช้าวันต่อมาท้องฟ้าแจ่มใสและมีนกร้องอยู่เต็มต้นมะม่วง",
    "เพื่อนบ้านเอาขนมกับผลไม้มาแบ่งให้แล้วถามว่าบ้านเสียหายหรือเปล่า",
    "ครูใหญ่ประกาศให้นักเรียนหยุดเรียนสองวันเพราะถนนหน้าโรงเรียนยังใช้ไม่ได้",
    "พวกเราเลยไปช่วยคุณลุงเก็บกวาดตลาดและล้างพื้นให้สะอาดเหมือนเดิม",
)
HINDI = (
    "कल रात बहुत तेज़ बारिश हुई और गाँव की छोटी नदी में पानी भर गया।",
    "सुबह होते ही दादाजी अपनी पुरानी छतरी लेकर खेत देखने निकले।",
    "रास्ते में उन्हें एक घायल कबूतर मिला जिसे वे घर ले आए।",
    "मेरी बहन ने उसके पंख पर पट्टी बाँधी और उसे दाना खिलाया।",
    "क्या तुम जानते हो कि वह पक्षी अब हर शाम हमारी छत पर आता है?",
    "माँ कहती हैं कि दया का फल हमेशा मीठा होता है।",
    "स्कूल में अध्यापक ने यह कहानी सुनकर सबको चित्र बनाने के लिए कहा।",
    "मैंने नीले आसमान के नीचे उड़ते हुए सफ़ेद कबूतर का चित्र बनाया।",
)
ARABIC = (
    "هطل المطر طوال الليل حتى امتلأ الوادي القريب من قريتنا بالماء.",
    "خرج جدي في الصباح الباكر ليتفقد أشجار الزيتون خلف البيت.",
    "وجد في الطريق قطة صغيرة تبحث عن مكان دافئ فحملها معه.",
    "سألتني أختي: هل يمكن أن تبقى القطة عندنا حتى الربيع؟",
    "وافقت أمي بشرط أن نعتني بها وأن نطعمها كل يوم.",
    "في المدرسة طلب المعلم أن نكتب قصة عن صديق جديد.",
    "كتبت عن عينيها الخضراوين وعن صوتها الهادئ في المساء.",
    "ومنذ ذلك الحين صار بيتنا أكثر مرحا ودفئا في الشتاء.",
)
CHINESE = (
    "昨天夜里下了一场大雨，村子旁边的小河涨满了水。",
    "爷爷一大早就打着旧雨伞去看他的菜园。",
    "路上他发现一只受伤的小鸟，便把它带回了家。",
    "妹妹给小鸟包扎好翅膀，还喂它吃了几粒米。",
    "妈妈说：“等它好了，我们就放它飞走。”",
    "一个星期以后，小鸟真的能在院子里飞了。",
    "老师听了这个故事，让全班同学都画一幅画。",
    "我画的是蓝天、白云和一棵开满花的树。",
)
CLEAN = {
    "th": THAI,
    "hi": HINDI,
    "ar": ARABIC,
    "zh": CHINESE,
    "vi": vietnamese()[0].split("\n"),
    "ko": korean()[0].split("\n"),
    "id": indonesian()[0].split("\n"),
}  # fmt: skip


@pytest.mark.parametrize("lang", CLEAN)
def test_clean_prose_is_kept_whole(lang: str) -> None:
    for joined in ("\n".join(CLEAN[lang]), " ".join(CLEAN[lang])):
        assert normalise(joined, lang, "、。") == joined
        assert refusals([joined], lang, RulesConfig(), web=False) == [None]


@pytest.mark.parametrize("lang", ["th", "hi", "ar"])
def test_what_says_the_same_again_and_again_is_refused(lang: str) -> None:
    refusal = refusals(
        ["\n".join(f"{number} {CLEAN[lang][0]}" for number in range(20))], lang, RulesConfig(), web=False
    )
    assert refusal[0] is not None


@pytest.mark.parametrize(
    ("lang", "raw", "expected"),
    [
        ("vi", "Tiê\u0301ng Viê\u0323t", "Tiếng Việt"),
        ("fa", "می\u200cخواهم\u200f", "می\u200cخواهم"),
        ("hi", "क\u094d\u200dष और र\u094d\u200cय", "क\u094d\u200dष और र\u094d\u200cय"),
        ("th", "น้ำ\u200bใจ", "น้ำใจ"),
        ("zh", "他说：“你好！”\u3000她笑了。", "他说：“你好！” 她笑了。"),
        ("de", "„Guten Tag“", '"Guten Tag"'),
        ("ko", "\u1112\u1161\u11ab\u1100\u1173\u11af", "한글"),
    ],
)
def test_spelling_of_each_script(lang: str, raw: str, expected: str) -> None:
    assert normalise(raw, lang, "、。") == expected


@pytest.mark.parametrize("lang", ["hi", "ar"])
def test_sentences_end_in_each_script(lang: str) -> None:
    parts = pieces(" ".join(CLEAN[lang]), 150)
    assert len(parts) > 2 and {part[-1] for part in parts} <= set("।?.؟")


def test_thai_is_cut_between_sentences_and_never_inside_a_letter() -> None:
    parts = pieces(" ".join(THAI), 150)
    assert "".join(parts) == "".join(THAI) or " ".join(parts) == " ".join(THAI)
    assert all(part.startswith(tuple(sentence[:5] for sentence in THAI)) for part in parts)
    for size in range(5, 30):
        made = pieces("".join(THAI), size)
        assert "".join(made) == "".join(THAI) and max(map(len, made)) <= size
        assert not any(part[0] in "ัิีึืุูํ็่้๊๋์" for part in made)


def test_short_sentences_in_lines_are_no_menu() -> None:
    text = "\n".join([*HINDI, "वह आया।", "मैं गया।", "हम हँसे।", "रात हुई।"])
    assert without_boilerplate(text, RulesConfig()).text == text


@pytest.mark.parametrize("lang", ["th", "hi", "ar"])
def test_letters_of_several_bytes_are_no_repetition(lang: str) -> None:
    """A limit that English prose of this length keeps."""
    rules = RulesConfig(min_compression=0.55)
    assert refusals(["\n".join(CLEAN[lang])], lang, rules, web=False) == [None]

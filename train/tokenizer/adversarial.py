"""Lines on which tokenizers like to differ."""

LINES: tuple[str, ...] = (
    # spaces, tabs, line ends
    " ",
    "  ",
    "   three spaces before and after   ",
    *("x" + " " * count + "y" for count in (3, 7, 15, 16, 17, 21, 29, 33, 40)),
    " 日本語の前に空白",
    "日本語  の間に  空白",
    "\tindented\twith\ttabs",
    "line one\nline two\n\n\nline five\n",
    "carriage\r\nreturn\r",
    "全角　空白　　二つ",
    "no\u00a0break\u2009thin\u200bzero\ufeffwidth",
    "▁lower▁one▁eighth▁block",
    "end ▁",
    # scripts and forms
    "ｱｲｳｴｵ ﾊﾝｶｸ ｶﾞｷﾞｸﾞ",
    "ＡＢＣ１２３！？",
    "が\u304b\u3099 濁点の合成",
    "神社󠄀と葛󠄁城",
    "𠮷野家で𩸽を𠮟る",
    "鬱蒼 齟齬 饕餮 龘 𰻞",
    "ゝゞヽヾ々〆〇〻 〜～ ー―—–‐-",
    "①②③㈱㍿㌔㊗",
    "Пиво 맥주 เบียร์ بيرة בירה बियर",
    "naïve café Ångström ﬁ ŀ ß İ",
    "العربية من اليمين\u200f إلى اليسار",
    # emoji and joiners
    "😀😃👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇯🇵 1️⃣",
    "❤️と♥と❤",
    # numbers, code, markup
    "2023年10月31日 3.14159 1,234,567円",
    "def f(x):\n    return {'a': [1, 2, 3]}  # コメント\n",
    '<p class="日本">テスト</p> &amp; &#x3042;',
    "https://example.jp/検索?q=東京&lang=ja#上",
    "| 列 | 値 |\n|---|---:|\n| あ | 1 |",
    "C:\\Users\\名前\\file.txt",
    # what looks like tokens but is text
    "<s>本文</s> <unk> <0x0A> <unused_0> [INST] <|user|>",
    "</s></s>\n<s>",
    # repeats, on which ties are decided
    "ああああああああああああああああ",
    "ababababababababab aaaaaaaaaaaaaaaa",
    "のののはははのはのはののははの",
    "。。。、、、「「」」……――",
    "wwwwwwwww 草草草草 ーーーーーー",
    "----------==========__________",
    # mixed
    "ChatGPTはOpenAIが開発したAIです。iPhone15でも動くLLM!",
    "「Hello, 世界」と彼はsaidした。Then 彼女はlaughed。",
    "東京Tokyo東京tokyo東京TOKYO",
    "\x00\x01\x7f control",
    "\u202eright to left override\u202c",
)

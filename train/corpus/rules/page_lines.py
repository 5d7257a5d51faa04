"""What lines of web pages that are no text look like: whole lines, by their wording.

The kinds are those of RefinedWeb's line-wise filter (Penedo et al. 2023, arXiv:2306.01116, appendix G.2) and some more;
the wording is our own.
"""

import re

LONGEST = 120  # characters; longer lines are text
_COUNTED = (
    r"いいね[!！]?|コメント|レビュー|口コミ|トラックバック|返信|評価|ブックマーク|フォロワー|回答|閲覧|再生|ビュー|"
    r"シェア|ツイート|リツイート"
)
_COUNTED_LATIN = (
    r"likes?|comments?|views?|shares?|repl(?:y|ies)|followers?|reviews?|retweets?|votes?|users?|PV"
)  # fmt: skip
_PLACES = (
    r"ホーム|トップ(?:ページ)?|サイトマップ|お問い?合わ?せ|プライバシーポリシー|個人情報保護方針|ご?利用規約|会社概要|"
    r"運営会社|特定商取引法に基づく表記|ログイン|ログアウト|新規登録|会員登録|マイページ|ヘルプ|よくある質問|メニュー|"
    r"検索|サイト内検索|カート|カテゴリー?|タグ|アーカイブ|(?:関連|人気|最新|新着|おすすめ)記事|"
    r"最近の(?:投稿|コメント)|コメントを(?:残す|書く|投稿する)|コメント(?:する)?|トラックバック|"
    r"スポンサー(?:ド)?リンク|広告|目次|シェア(?:する)?|ツイート(?:する)?|いいね[!！]?|フォロー(?:する)?|"
    r"印刷(?:する)?|閉じる|戻る|前へ|次へ|前の(?:ページ|記事)(?:へ)?|次の(?:ページ|記事)(?:へ)?|"
    r"一覧(?:へ(?:戻る)?|に戻る|を見る)?|(?:この)?ページの(?:トップ|先頭)(?:へ|に)?(?:戻る)?|トップ(?:へ|に)戻る|RSS|PR"
)
_PLACES_LATIN = (
    r"home|menu|search|site ?map|contact(?: us)?|about(?: us)?|privacy policy|terms of (?:use|service)|log ?in|"
    r"log ?out|sign ?in|sign ?up|register|my account|cart|categories|tags|archives?|related (?:posts|articles)|"
    r"recent (?:posts|comments)|leave a (?:comment|reply)|comments?|advertisement|sponsored(?: links?)?|"
    r"share(?: this)?|tweet|like|follow(?: us)?|print|close|back|next|previous|back to top|"
    r"skip to (?:main )?content"
)
_KINDS = {
    "counter": (
        rf"[^。]{{0,12}}?\d[\d,.]*[KkMm万]?\s*(?:件|人|回|個|票|つ)?の?(?:{_COUNTED})[^。]{{0,6}}",
        rf"(?:{_COUNTED})(?:数)?\s*[:(]?\s*\d[\d,]*\s*(?:件|人|回)?\)?",
        rf"\d[\d,.]*[km]? (?:{_COUNTED_LATIN})",
    ),
    "more": (
        r"[^。]{0,40}?(?:続き|全文|詳細|もっと|さらに)を?(?:読む|見る|表示(?:する)?)[^。]{0,4}",
        r"[^。]{0,40}?(?:詳しくは|詳細は|続きは)こちら[^。]{0,4}",
        r".{0,60}(?:read|see|show|view|load) (?:more|all|the (?:full|rest).{0,20})\W*",
        r".{0,60}continue reading\W*",
    ),
    "share": (
        r"(?:この(?:記事|ページ|投稿)を)?(?:Facebook|Twitter|X|LINE|はてなブックマーク|Pocket|メール|SNS)(?:で|に|を)?"
        r"(?:シェア|送る|共有|保存|追加|ツイート|ポスト)?(?:する)?",
        r"この(?:記事|ページ|投稿)を(?:シェア|共有|保存|ツイート)(?:する)?",
        r"share (?:this|on|via) .{0,30}|(?:tweet|pin) (?:this|it)|(?:follow|like) us on .{0,30}",
    ),
    "cookies": (
        r".{0,100}(?:cookie|クッキー).{0,80}(?:同意|許可|拒否|使用し|利用し|accept|consent|agree|uses?\b).{0,60}",
        r".{0,60}(?:accept|we use).{0,40}cookies?.{0,60}",
    ),
    "place": (rf"[\[<«‹＜【▲△↑»›>・]*\s*(?:{_PLACES}|{_PLACES_LATIN})\s*[\]>»›＞】▼▽↓:]*",),
    "rights": (
        r"(?:©|\(c\)|copyright\b).{0,100}|.{0,60}all rights reserved\W*",
        r".{0,40}(?:無断)?転載を?禁(?:止|じます).{0,20}",
    ),
    "path": (
        r"[^。>›»|｜]{1,30}(?:\s*[>›»]\s*[^。>›»|｜]{1,30}){2,}",
        r"[^。|｜]{1,20}(?:\s*[|｜]\s*[^。|｜]{1,20}){2,}",
    ),
    "byline": (
        r"(?:投稿日?時?|更新日?時?|公開日?|掲載日|作成日|最終更新日?|投稿者|カテゴリー?|タグ)\s*[:：].{0,60}",
        r"posted (?:on|by|in)\b.{0,60}",
    ),
    "number": (r"[\W\d_]*\d[\W\d_]*",),
}
_LINE = re.compile("|".join(f"(?P<{kind}>{'|'.join(wording)})" for kind, wording in _KINDS.items()), re.IGNORECASE)
_SHORT = re.compile(rf"^.{{1,{LONGEST}}}+$", re.MULTILINE)
_OPEN = re.compile(rf"^.{{1,{LONGEST}}}+(?<![、。」])$", re.MULTILINE)  # what is no prose
_IN_SENTENCES = ("ookie", "クッキー")  # of the one kind that looks like prose


def candidates(text: str) -> list[re.Match[str]]:
    """The lines that may be no text, in order."""
    lines = _SHORT if any(word in text for word in _IN_SENTENCES) else _OPEN
    return list(lines.finditer(text))


def kind_of(line: str) -> str | None:
    """What the whole line is, one of counter, more, share, cookies, place, rights, path, byline, number; or None.

    >>> kind_of("12件のコメント"), kind_of("コメントが12件寄せられた。")
    ('counter', None)
    """
    found = _LINE.fullmatch(line)
    return found.lastgroup if found else None

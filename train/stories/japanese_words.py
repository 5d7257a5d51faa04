"""The Japanese words for everything in world.py. `<…>` marks are inflected by inflect.py."""
# ruff: noqa: E501 - tables read best with one entry on a line

GIRLS = ("ゆき", "みか", "さくら", "はるか", "えみ", "かな", "あや", "まい", "ひな", "ゆい", "りこ", "もえ")
BOYS = ("けんた", "たけし", "ゆうた", "だいき", "しょうた", "こうじ", "はると", "りく", "ひろし", "けい", "かずき", "まさと")  # fmt: skip
ANIMAL_GIRLS = ("ミミ", "リリ", "モモ", "ルル", "ララ", "ココ", "ナナ", "ノノ", "ハナ", "サラ", "ピピ", "マリー")
ANIMAL_BOYS = ("トト", "コロ", "ポコ", "タロ", "ゴン", "ロン", "テト", "レオ", "ジロ", "マル", "ピコ", "ムク")

KINDS = {
    "cat": "ねこ", "dog": "いぬ", "rabbit": "うさぎ", "bear": "くま", "mouse": "ねずみ", "squirrel": "りす",
    "fox": "きつね", "hedgehog": "はりねずみ", "elephant": "ぞう", "sheep": "ひつじ", "monkey": "さる",
    "frog": "かえる", "bird": "小鳥", "pig": "ぶた", "duck": "あひる", "panda": "パンダ",
    "girl": "女の子", "boy": "男の子",
}  # fmt: skip
SEASONS = {"spring": "春", "summer": "夏", "autumn": "秋", "winter": "冬"}
COLOURS = {
    "red": "赤い", "blue": "青い", "yellow": "黄色い", "white": "白い", "green": "緑の", "pink": "ピンクの",
    "black": "黒い", "brown": "茶色い",
}  # fmt: skip
THINGS = {
    "hat": "ぼうし", "ball": "ボール", "scarf": "マフラー", "key": "かぎ", "book": "本", "umbrella": "かさ",
    "bag": "かばん", "ribbon": "リボン", "bell": "すず", "doll": "人形", "cup": "コップ", "flute": "ふえ", "box": "小箱",
}  # fmt: skip
_TSU = ("", "一つ", "二つ", "三つ", "四つ", "五つ")
_MAI = ("", "一まい", "二まい", "三まい", "四まい", "五まい")
_HON = ("", "一本", "二本", "三本", "四本", "五本")
# Each food with its counter.
FOODS = {
    "apple": ("りんご", _TSU), "bread": ("パン", _TSU), "strawberry": ("いちご", _TSU), "cake": ("ケーキ", _TSU),
    "cookie": ("クッキー", _MAI), "rice_ball": ("おにぎり", _TSU), "banana": ("バナナ", _HON), "peach": ("もも", _TSU),
    "orange": ("みかん", _TSU), "pancake": ("ホットケーキ", _MAI), "carrot": ("にんじん", _HON),
    "chestnut": ("くり", _TSU), "pear": ("なし", _TSU), "tomato": ("トマト", _TSU),
}  # fmt: skip
PLACES = {
    "forest": "森", "river": "川", "park": "公園", "beach": "海辺", "hill": "丘", "pond": "池", "field": "野原",
    "mountain": "山", "garden": "花畑", "farm": "牧場",
}  # fmt: skip
# Where one walks or stands there: goes before を or に.
ALONG = {
    "forest": "森の中", "river": "川のそば", "park": "公園", "beach": "海辺", "hill": "丘の上", "pond": "池のまわり",
    "field": "野原", "mountain": "山の上", "garden": "花畑", "farm": "牧場",
}  # fmt: skip
SPOTS = {
    "under_tree": "木の下", "in_leaves": "落ち葉の中", "behind_stump": "切りかぶのうしろ", "in_bush": "しげみの中",
    "behind_rock": "岩のうしろ", "under_bridge": "橋の下", "in_grass": "草の中", "between_stones": "石の間",
    "under_bench": "ベンチの下", "by_slide": "すべり台の横", "in_sandbox": "砂場の中", "in_sand": "砂の中",
    "under_boat": "船の下", "beside_shell": "貝がらのそば", "among_flowers": "花の間", "behind_pot": "植木ばちのうしろ",
    "behind_fence": "さくのうしろ", "in_straw": "わらの中", "under_cart": "荷車の下",
}  # fmt: skip
# Each goes before のが好き.
HOBBIES = {
    "sing": "歌を歌う", "draw": "絵をかく", "read": "本を読む", "run": "走る", "flowers": "花を見る",
    "sky": "空を見る", "dance": "おどる", "stones": "きれいな石を集める", "walk": "さんぽをする",
    "swing": "ブランコで遊ぶ",
}  # fmt: skip
# The same activities, as what two friends do together: before <する>.
TOGETHER = {
    "sing": "いっしょに歌を<歌う>", "draw": "ならんで絵を<かく>", "read": "同じ本を<読む>",
    "run": "どこまでも<走る>", "flowers": "きれいな花を<見る>", "sky": "ねころんで空を<見る>",
    "dance": "手をつないで<おどる>", "stones": "きれいな石を<集める>", "walk": "ゆっくりさんぽを<する>",
    "swing": "順番にブランコに<のる>",
}  # fmt: skip
TRAITS = {
    "kind": "やさしい", "lively": "元気な", "shy": "はずかしがりやの", "hungry": "食いしんぼうの", "honest": "正直な",
    "cheerful": "明るい", "diligent": "がんばりやの", "easygoing": "のんびりやの", "curious": "何でも知りたがる",
    "gentle": "おとなしい",
}  # fmt: skip
# What to do indoors: as a proposal, and as what was done.
INDOORS_LETS = {
    "cards": "カード遊びをしよう", "books": "絵本を読もう", "draw": "大きな絵をかこう", "cookies": "クッキーをやこう",
    "origami": "おりがみをおろう", "sing": "たくさん歌を歌おう", "blocks": "積み木遊びをしよう",
    "hide": "かくれんぼをしよう",
}  # fmt: skip
INDOORS_DID = {
    "cards": "カード遊びを<する>", "books": "絵本を<読む>", "draw": "大きな絵を<かく>", "cookies": "クッキーを<やく>",
    "origami": "おりがみを<おる>", "sing": "たくさん歌を<歌う>", "blocks": "積み木遊びを<する>", "hide": "かくれんぼを<する>",
}  # fmt: skip
BABIES = {"chick": "ひよこ", "kitten": "子ねこ", "puppy": "子いぬ", "fawn": "子じか", "lamb": "子ひつじ"}
PARENTS = {
    "chick": "お母さんどり", "kitten": "お母さんねこ", "puppy": "お母さんいぬ", "fawn": "お母さんじか",
    "lamb": "お母さんひつじ",
}  # fmt: skip
CRIES = {
    "chick": "ピヨピヨ", "kitten": "ミャーミャー", "puppy": "クンクン", "fawn": "ピーピー", "lamb": "メーメー",
}  # fmt: skip
SIGHTS = {
    "moon": "大きな丸い月が、{place}を白くてらして<いる>。", "stars": "空いっぱいに星がきらきらと光って<いる>。",
    "owl": "高い木の上で、ふくろうがホーホーと鳴いて<いる>。", "fireflies": "暗い草の上を、ほたるがふわふわととんで<いる>。",
}  # fmt: skip
SIGHT_SAYS = {
    "moon": "「月があんなに明るいよ。」", "stars": "「星がこんなにたくさんあるよ。」",
    "owl": "「ふくろうも起きているんだね。」", "fireflies": "「小さな明かりがとんでいるよ。」",
}  # fmt: skip
CLUES = {
    "song": "遠くからやさしい歌が聞こえて<くる>。", "flower": "道のとちゅうに、見おぼえのある花が<ある>。",
    "smoke": "向こうの方に、白いけむりが<見える>。", "footprints": "地面に大きな足あとが続いて<いる>。",
}  # fmt: skip
CLUE_SAYS = {
    "song": "「あれはお母さんの歌だ。」", "flower": "「この花は家の近くにさいているよ。」",
    "smoke": "「あれは家のけむりだよ。」", "footprints": "「これはお母さんの足あとだよ。」",
}  # fmt: skip
SCENES = {
    "spring": (
        "春になって、花がたくさん<さく>。", "あたたかい春の朝<だ>。", "春の風がそよそよとふいて<いる>。",
        "さくらの花がさくころのこと<だ:now>。", "長い冬がおわって、やっと春に<なる>。",
    ),
    "summer": (
        "よく晴れた夏の日<だ>。", "夏の空は青く晴れて<いる>。", "せみの声が聞こえる夏の朝<だ>。",
        "夏休みの、ある日のこと<だ:now>。", "暑い夏がやって<くる>。",
    ),
    "autumn": (
        "秋になって、木の葉が赤く<なる>。", "すずしい秋の日<だ>。", "秋の風が木の葉をゆらして<いる>。",
        "木の実がたくさんなる秋のこと<だ:now>。", "空が高く見える秋の朝<だ>。",
    ),
    "winter": (
        "寒い冬の朝<だ>。", "冬になって、山が白く<なる>。", "つめたい冬の風がふいて<いる>。",
        "雪が少しつもった冬の日<だ>。", "もうすぐお正月という、冬のこと<だ:now>。",
    ),
}  # fmt: skip

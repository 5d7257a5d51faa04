"""Small stories in Vietnamese, Indonesian, Swahili and Korean, of our own making."""

from itertools import product

VIETNAMESE = (
    "Ngày xưa, ở một ngôi làng nhỏ gần {place} có một {who} tên là {name}.",
    "Mỗi buổi sáng, {name} đi ra {place} để tìm {thing} cho mẹ.",
    "Trên đường về nhà, {name} gặp một người bạn mới và hai bạn cùng chơi đến tối.",
    "Mẹ của {name} nói: con hãy về nhà trước khi trời mưa, vì {place} rất trơn.",
    "Từ đó, {who} ấy không bao giờ quên mang {thing} về cho cả nhà.",
)
VIETNAMESE_WORDS = {
    "place": ("bờ sông", "khu rừng", "cánh đồng", "ngọn núi"),
    "who": ("cậu bé", "cô bé", "con mèo", "con thỏ"),
    "name": ("Lan", "Minh", "Hương", "Tuấn"),
    "thing": ("quả táo", "bông hoa", "hạt dẻ", "cây nấm"),
}
INDONESIAN = (
    "Pada suatu hari, seorang anak bernama {name} pergi ke {place} untuk mencari {thing}.",
    "Anak-anak yang lain sedang bermain di dekat {place} sampai malam tiba.",
    "Ibunya berkata bahwa {name} harus pulang sebelum hujan turun dengan deras.",
    "Mereka menemukan {thing} yang sangat besar dan membawanya pulang bersama-sama.",
    "Sejak saat itu {name} tidak pernah lupa membawakan {who} makanan dari {place}.",
)
INDONESIAN_WORDS = {
    "place": ("hutan", "sungai", "sawah", "pantai"),
    "who": ("kucing", "kelinci", "kakeknya", "temannya"),
    "name": ("Budi", "Sari", "Dewi", "Agus"),
    "thing": ("buah mangga", "bunga melati", "jamur", "batu putih"),
}
SWAHILI = (
    "Hapo zamani za kale, {who} mmoja aitwaye {name} aliishi {place} pamoja na mama yake.",
    "Kila asubuhi {name} alikwenda {place} kutafuta {thing} kwa ajili ya familia.",
    "Njiani alikutana na rafiki mpya, nao wakacheza pamoja mpaka jioni.",
    "Mama yake alisema kwamba {name} arudi nyumbani kabla ya mvua kunyesha.",
    "Tangu siku hiyo {who} huyo hakusahau kamwe kuleta {thing} nyumbani.",
)
SWAHILI_WORDS = {
    "place": ("msituni", "mtoni", "shambani", "mlimani"),
    "who": ("mtoto", "sungura", "paka", "kijana"),
    "name": ("Asha", "Juma", "Neema", "Baraka"),
    "thing": ("maembe", "maua", "uyoga", "kuni"),
}
KOREAN = (
    "옛날 어느 작은 마을에 {name}라는 {who}가 살고 있었습니다.",
    "{name}는 날마다 {place}에 가서 {thing}를 찾아 집으로 가져왔습니다.",
    "돌아오는 길에 새 친구를 만나서 저녁까지 함께 즐겁게 놀았습니다.",
    "어머니는 비가 오기 전에 {place}에서 집으로 돌아오라고 말했습니다.",
    "그 뒤로 {who}는 {thing}를 볼 때마다 그날의 일을 생각했습니다.",
)
KOREAN_WORDS = {
    "place": ("바닷가", "숲 속", "강가", "산 위"),
    "who": ("고양이", "토끼", "거북이", "강아지"),
    "name": ("나비", "보리", "모모", "두리"),
    "thing": ("도토리", "사과", "고구마", "조개"),
}


def made(lines: tuple[str, ...], words: dict[str, tuple[str, ...]]) -> list[str]:
    """A story for each choice of words."""
    return [
        "\n".join(line.format(**dict(zip(words, chosen, strict=True))) for line in lines)
        for chosen in product(*words.values())
    ]


def vietnamese() -> list[str]:
    return made(VIETNAMESE, VIETNAMESE_WORDS)


def indonesian() -> list[str]:
    return made(INDONESIAN, INDONESIAN_WORDS)


def swahili() -> list[str]:
    return made(SWAHILI, SWAHILI_WORDS)


def korean() -> list[str]:
    return made(KOREAN, KOREAN_WORDS)

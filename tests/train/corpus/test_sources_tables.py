"""Tables of others: Parquet files and datasets of the hub."""

import gzip
import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lilm.errors import LilmError
from lilm.pipeline.stage import Context
from lilm.train.corpus.sources import Bad, Identified
from lilm.train.corpus.sources.hub import check_hub
from tests.train.corpus.conftest import JAPANESE, read, source
from tests.train.corpus.made import config, english_houses, made

TEXTS = [f"{JAPANESE}{number}" for number in range(300)]


def test_parquet(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": [1, 2, 3, 3], "body": ["一", " ", None, "四"]})
    frame.write_parquet(tmp_path / "a[1]*.parquet")
    first, bad, last = read(source(f"{tmp_path}/a*.parquet", "parquet", field="body"))
    assert (first, last) == ("一", "四")
    assert isinstance(bad, Bad) and bad.where.endswith("row 2") and "null" in bad.what
    assert isinstance(last, Identified) and (last.id, last.where.rpartition(", ")[2]) == ("3", "row 3")


@pytest.mark.parametrize("kind", [pl.Categorical, pl.Enum(["一", "二"])])
def test_parquet_of_categories(tmp_path: Path, kind: "pl.DataType") -> None:
    pl.DataFrame({"text": ["一", "二", "一"]}, schema={"text": kind}).write_parquet(tmp_path / "a.parquet")
    assert read(source(tmp_path / "a.parquet", "parquet")) == ["一", "二", "一"]


def test_parquet_may_be_compressed_again(tmp_path: Path) -> None:
    pl.DataFrame({"text": TEXTS}).write_parquet(tmp_path / "a.parquet")
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    assert read(source(tmp_path / "a.parquet.gz", "parquet")) == TEXTS


def test_a_parquet_file_without_rows_holds_nothing(tmp_path: Path) -> None:
    pl.DataFrame({"text": []}, schema={"text": pl.String}).write_parquet(tmp_path / "a.parquet")
    assert read(source(tmp_path / "a.parquet", "parquet")) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"body": ["x"]}, "no column 'text' (found body)"),
        ({"text": [1]}, "column 'text' is int64, not text"),
        (b"PAR1 no more", "no Parquet, broken or cut short"),
        (b"", "no Parquet, broken or cut short"),
        ("cut", "no Parquet, broken or cut short"),
    ],
)
def test_what_is_no_parquet_of_texts_is_named(
    tmp_path: Path, data: dict[str, list[object]] | bytes | str, message: str
) -> None:
    path = tmp_path / "a.parquet"
    if isinstance(data, bytes):
        path.write_bytes(data)
    else:
        pl.DataFrame({"text": TEXTS} if data == "cut" else data).write_parquet(path)
    if data == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    pl.DataFrame({"text": ["good"]}).write_parquet(tmp_path / "b.parquet")
    bad, good = read(source(f"{tmp_path}/*.parquet", "parquet"))
    assert isinstance(bad, Bad) and message in bad.what and bad.where == str(path)
    assert good == "good"


def test_a_broken_page_takes_few_rows_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilm.train.corpus.sources.parquet.SLICE", 1000)
    path = tmp_path / "a.parquet"
    pl.DataFrame({"text": TEXTS}).write_parquet(path, row_group_size=10, statistics=False)
    data = bytearray(path.read_bytes())
    data[len(data) // 4 : len(data) // 4 + 60] = b"x" * 60
    path.write_bytes(data)
    items = read(source(path, "parquet"))
    bad = [item for item in items if isinstance(item, Bad)]
    good = [item for item in items if isinstance(item, str)]
    assert 1 <= len(bad) <= 3 and all("rows " in one.where and "broken" in one.what for one in bad)
    assert len(good) > 200 and good == [text for text in TEXTS if text in set(good)]


def test_a_row_that_is_no_utf_8_takes_no_other_with_it(tmp_path: Path) -> None:
    rows = [text.encode() for text in TEXTS[:9]]
    rows[3] = b"\xff" + rows[3]
    ids = [str(number).encode() for number in range(9)]
    ids[5] = b"\xff"
    unchecked = [pa.StringArray.from_buffers(9, *pa.array(one, pa.binary()).buffers()[1:]) for one in (ids, rows)]
    pq.write_table(pa.table(unchecked, names=["id", "text"]), tmp_path / "a.parquet")
    items = read(source(tmp_path / "a.parquet", "parquet"))
    bad = {number: item for number, item in enumerate(items) if isinstance(item, Bad)}
    assert set(bad) == {3, 5} and bad[3].where.endswith("row 3") and "0xff is not UTF-8" in bad[3].what
    assert [item for item in items if isinstance(item, str)] == [TEXTS[at] for at in range(9) if at not in bad]


def test_all_rows_that_are_lost_count(tmp_path: Path, context: Context) -> None:
    """A broken page of many rows is not one broken record."""
    for name, texts in (("a", english_houses(40)), ("b", english_houses(80)[40:])):
        pl.DataFrame({"text": texts}).write_parquet(tmp_path / f"{name}.parquet", statistics=False)
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    data[60:100] = b"x" * 40
    (tmp_path / "a.parquet").write_bytes(data)
    recipe = config({"name": "rows", "lang": "en", "format": "parquet", "path": f"{tmp_path}/*.parquet"}, max_bad=0.1)
    with pytest.raises(
        LilmError, match=r"of 80 records of source rows 40 are broken: a\.parquet, rows 0 to 39 \([^…]*$"
    ):
        made(recipe, tmp_path / "out", context)


def test_what_a_column_s_name_holds_separates_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('"id; of; the row",text\n1,"一、二; 三, 四"\n')
    assert read(source(tmp_path / "a.csv", "csv")) == ["一、二; 三, 四"]


@pytest.mark.parametrize("own", ["", " ", None, float("nan")])
@pytest.mark.parametrize("format", ["jsonl", "csv", "parquet"])
def test_records_without_an_id_do_not_repeat_each_other(tmp_path: Path, format: str, own: object) -> None:
    rows = [{"id": own, "text": text} for text in TEXTS[:2]]
    path = tmp_path / f"a.{format}"
    if format == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif format == "csv":
        path.write_text("id,text\n" + "".join(f'{"" if own != own else own or ""},"{row["text"]}"\n' for row in rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    items = read(source(path, format))
    assert items == TEXTS[:2] and not any(isinstance(item, Identified) for item in items)


def test_whatever_is_damaged_is_named_and_nothing_panics(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"id": range(40), "text": pa.array(TEXTS[:40], pa.large_string())})
    pq.write_table(table, path, compression="snappy", row_group_size=16)
    whole = path.read_bytes()
    bad = 0
    for begin in range(700, 900, 2):
        path.write_bytes(whole[:begin] + b"\xff" * 4 + whole[begin + 4 :])
        items = read(source(path, "parquet"))
        bad += any(isinstance(item, Bad) for item in items)
        assert all(str(path) in item.error().line() for item in items if isinstance(item, Bad)), begin
    assert bad > 20
    assert capfd.readouterr().err == ""


def test_fewer_rows_than_its_footer_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pl.DataFrame({"text": TEXTS[:10]}).write_parquet(tmp_path / "a.parquet")
    monkeypatch.setattr("lilm.train.corpus.sources.parquet._groups", lambda file, path: [12])
    *texts, bad = read(source(tmp_path / "a.parquet", "parquet"))
    assert texts == TEXTS[:10]
    assert isinstance(bad, Bad) and bad.where.endswith("rows 10 to 11") and "there are 10 rows" in bad.what


def test_hub_dataset(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"text": "a"}\n{"text": null}\n{"text": " "}\n{"text": "d"}\n')
    first, bad, last = read(source("", "hub", repo=str(tmp_path)))
    assert (first, last) == ("a", "d")
    assert isinstance(bad, Bad) and bad.where == f"hub dataset {tmp_path}, row 1" and "no text in 'text'" in bad.what
    assert read(source("", "hub", repo=str(tmp_path), limit=1)) == ["a"]


@pytest.mark.parametrize(
    ("rows", "why"), [('{"text": null}\n' * 3, "row 0: no text in 'text'"), ('{"text": " "}\n', "no text in it")]
)
def test_a_hub_dataset_without_text_is_told_before_any_work(tmp_path: Path, rows: str, why: str) -> None:
    (tmp_path / "train.jsonl").write_text(rows)
    with pytest.raises(LilmError, match=why):
        check_hub(source("", "hub", repo=str(tmp_path)))
    (tmp_path / "train.jsonl").write_text(rows + '{"text": "a"}\n')
    check_hub(source("", "hub", repo=str(tmp_path)))


def test_hub_dataset_that_breaks_off(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"text": "a"}\n{"text": broken\n')
    *_, bad = read(source("", "hub", repo=str(tmp_path)))
    assert isinstance(bad, Bad) and "broken (" in bad.what and "\n" not in bad.what


def test_hub_dataset_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"text": "a"}\n')
    with pytest.raises(LilmError, match="cannot be opened") as caught:
        read(source("", "hub", repo=str(tmp_path), split="other"))
    assert "\n" not in caught.value.line()

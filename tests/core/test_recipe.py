"""A recipe says what is wrong with it, by key; what it describes survives a round trip."""

from pathlib import Path

import pytest

from lilm.cli.options import load_run
from lilm.errors import LilmError
from lilm.pipeline.runner import LOCK, remember, require_own_folder
from lilm.recipe import load_recipe, recipe_text, recipe_toml, shipped_recipes
from lilm.recipe.files import parse_recipe


@pytest.mark.parametrize("name", ["quickstart", "tinyllama-ja", "seed-2023"])
def test_shipped_recipes_are_valid_and_survive_writing(name: str) -> None:
    recipe = load_recipe(name)
    assert parse_recipe(recipe_toml(recipe), "copy", Path("/elsewhere")) == recipe


def test_every_shipped_recipe_begins_with_a_line_about_itself() -> None:
    assert all(text.startswith("# ") for text in shipped_recipes().values())


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("eval_bytes = 30_000", "eval_byte = 3", ["unknown key pretrain.eval_byte", "found 3", "eval_bytes"]),
        ("steps = 900\nlr = 5e-3", "steps = 6\nlr = -1", ["pretrain.stage2.lr", "greater than 0", "found -1"]),
        ('kind = "scratch"', 'kind = "scrach"', ["base.kind", "'scrach'", "'scratch', 'path', 'hub' or 'gguf'"]),
        ('name = "stories-ja"\nlang = "ja"', 'name = "stories-ja"\nlang = "zz"', ["corpus.sources", "zz", "ja"]),
        ('"Q8_0", "Q6_K"', '"Q7_0"', ["export.quants", "Q7_0", "Q8_0"]),
        ("[corpus]", "[corpuss]", ["unknown key corpuss", "corpus"]),
        ('name = "quickstart"', 'name = "quick', ["not TOML"]),
        ('name = "quickstart"', 'name = "q"\nx = ' + "[" * 3_000, ["nested too deep"]),
        ('name = "quickstart"', "a." * 3_000 + "a = 1\nname = 'q'", ["nested too deep"]),
        ('name = "quickstart"', 'name = "q"\nseed = ' + "9" * 5_000, ["not TOML"]),
        ("hidden_size = 256", "hidden_size = 250", ["base.scratch", "even head size"]),
        ('name = "quickstart"', 'name = "C:\\Users\\x"', ["not TOML", "'single quotes'"]),
        ('name = "quickstart"', 'name = "q"\n' + "k" * 1_000_000 + " = 1", ["unknown key kkk"]),
        ('name = "quickstart"', f'name = "{"q/" * 500_000}"', ["name: ", "q/q/"]),
        ('language = "ja"', 'language = "Japanese"', ["language", 'write "ja"']),
        ("seed = 0", "seed = 18446744073709551616", ["seed", "less than"]),
        ("threads = 2", "threads = 100000", ["threads", "less than"]),
        ("num_hidden_layers = 4", "num_hidden_layers = 1000000000", ["num_hidden_layers", "less than"]),
        ("vocab_size = 1024", "vocab_size = 1000000000", ["vocab_size", "less than"]),
        ("max_position_embeddings = 1024", "max_position_embeddings = 2147483648", ["max_position", "less than"]),
        ("steps = 900", "steps = 900\nweight_decay = inf", ["weight_decay", "finite"]),
        ("heldout = 0.03", "heldout = nan", ["heldout", "finite"]),
    ],
)
def test_a_wrong_key_is_named_with_what_was_found_and_what_is_allowed(old: str, new: str, expected: list[str]) -> None:
    text = recipe_text("quickstart")
    assert old in text
    with pytest.raises(LilmError) as caught:
        parse_recipe(text.replace(old, new, 1), "lilm.toml", Path("/"))
    line = caught.value.line()
    assert "\n" not in line
    assert line.startswith("lilm.toml: ")
    assert len(line) < 2_000
    for part in expected:
        assert part in line


def test_paths_are_relative_to_the_recipe(tmp_path: Path) -> None:
    text = recipe_text("quickstart").replace('format = "stories"\nlimit = 12000', 'format = "text"\npath = "a/*.txt"')
    (tmp_path / "lilm.toml").write_text(text, encoding="utf-8")
    assert load_recipe(str(tmp_path / "lilm.toml")).corpus.sources[0].path == str(tmp_path / "a/*.txt")
    (tmp_path / "lilm.toml").write_text(text.replace('"a/*.txt"', r"'a\*.txt'"), encoding="utf-8")
    assert load_recipe(str(tmp_path / "lilm.toml")).corpus.sources[0].path == str(tmp_path / "a/*.txt")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("a" * 300, "too long for any file"),
        ("語/" * 2_000, "too long for any file"),
        ("~nobody_here/a", "no home folder"),
    ],
)
def test_a_path_that_no_file_can_have_is_named(tmp_path: Path, path: str, said: str) -> None:
    text = recipe_text("quickstart").replace('format = "stories"\nlimit = 12000', f'format = "text"\npath = "{path}"')
    (tmp_path / "lilm.toml").write_text(text, encoding="utf-8")
    with pytest.raises(LilmError, match=said) as caught:
        load_recipe(str(tmp_path / "lilm.toml"))
    assert "lilm.toml" in str(caught.value) and len(str(caught.value)) < 600


def test_an_unknown_recipe_names_the_known_ones() -> None:
    with pytest.raises(LilmError, match="quickstart"):
        load_recipe("quikstart")


def test_a_folder_is_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(LilmError, match=r"a folder, not a recipe — give the lilm\.toml in it"):
        load_recipe(str(tmp_path))


def test_recipes_of_other_editors(tmp_path: Path) -> None:
    text, path = recipe_text("quickstart"), tmp_path / "lilm.toml"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load_recipe(str(path)) == parse_recipe(text, "copy", tmp_path)
    path.write_bytes(text.encode("utf-16"))
    with pytest.raises(LilmError, match="UTF-16"):
        load_recipe(str(path))


def remembered(folder: Path, more: str) -> Path:
    """A run folder whose own copy of the recipe has lines of another version."""
    folder.mkdir()
    (folder / LOCK).touch()
    path = folder / "lilm.toml"
    text = recipe_toml(load_recipe("quickstart"))
    path.write_text(text.replace("[tokenizer]\n", f"[tokenizer]\n{more}", 1), encoding="utf-8")
    return path


def test_a_runs_own_copy_with_keys_that_went_says_what_to_do(tmp_path: Path) -> None:
    path = remembered(tmp_path / "run", "sampling = 3\nalpha = 1\n")
    with pytest.raises(LilmError) as caught:
        load_run("", tmp_path / "run")
    line = caught.value.line()
    assert line.startswith(f"{path}, the run's own copy of its recipe, which another version wrote: ")
    assert "tokenizer.sampling, tokenizer.alpha" in line or "tokenizer.alpha, tokenizer.sampling" in line
    assert "delete them there, or give your recipe with --recipe" in line
    assert "known here" not in line

    recipe, folder = load_run("quickstart", tmp_path / "run")
    assert folder == tmp_path / "run"
    remember(recipe, path)
    assert load_run("", tmp_path / "run")[0] == recipe, "the copy is written again"


def test_a_recipe_of_the_users_with_an_unknown_key_names_the_known_ones(tmp_path: Path) -> None:
    path = remembered(tmp_path / "run", "sampling = 3\n").rename(tmp_path / "lilm.toml")
    with pytest.raises(LilmError, match=r"unknown key tokenizer\.sampling \(found 3\) — known here: .*pieces"):
        load_run(str(path), None)


def test_a_recipe_of_the_users_in_the_run_folder_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "lilm.toml"
    text = "# mine\n" + recipe_text("quickstart")
    path.write_text(text, encoding="utf-8")
    recipe, folder = load_run("", tmp_path)
    require_own_folder(recipe, folder)
    remember(recipe, path)
    assert path.read_text(encoding="utf-8") == text, "it says the same, with its comments"

    other = load_recipe("quickstart", {"seed": 7})
    with pytest.raises(LilmError, match="it would be written over"):
        require_own_folder(other, tmp_path)
    path.write_text("name = ", encoding="utf-8")
    with pytest.raises(LilmError, match="it would be written over"):
        require_own_folder(recipe, tmp_path)
    path.write_text(recipe_toml(recipe), encoding="utf-8")
    require_own_folder(other, tmp_path)  # a run's copy, without the hidden file: it was copied
    (tmp_path / LOCK).touch()
    path.write_text(text, encoding="utf-8")
    require_own_folder(other, tmp_path)


def test_a_copy_that_is_no_text_is_written_again(tmp_path: Path) -> None:
    path = remembered(tmp_path / "run", "")
    path.write_bytes(b"\xff\xfe")
    recipe = load_recipe("quickstart")
    remember(recipe, path)
    assert load_recipe(str(path)) == recipe

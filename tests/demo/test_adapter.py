"""A run whose page loads a base and an adapter over it, by the command line and in Chromium."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from lilm.errors import LilmError
from lilm.recipe.files import parse_recipe
from lilm.train.faults.small import small_recipe_text
from tests.conftest import lilm

NAMES = ["adapter.gguf", "base-Q8_0.gguf"]
KEPT = """async () => {
  const { listKept } = await import("./wasm/runtime/lilm.mjs");
  return (await listKept()).filter(({ complete }) => complete).map(({ name }) => name).sort();
}"""


def recipe() -> Any:
    made: Any = tomlkit.parse(small_recipe_text()).unwrap()
    made["pretrain"] |= {"method": "lora", "lora": {"rank": 4, "alpha": 4}}
    made["pretrain"]["stage2"]["steps"] = 4
    made["finetune"]["sources"] = []
    made["export"] = {"quants": ["Q8_0"], "adapter": True}
    made["bench"] = {"eval_tokens": 200, "prompts": ["むかし"], "n_predict": 4}
    made["wasm"] |= {"n_ctx": 256}
    made["site"] |= {"quants": ["Q8_0"], "adapter": True, "n_predict": 16}
    return made


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapter")
    (folder / "lilm.toml").write_text(tomlkit.dumps(recipe()), encoding="utf-8")
    done = lilm("run", "--recipe", folder / "lilm.toml", "--run", folder / "run")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run"


def test_the_site_has_the_base_and_its_adapter(run: Path) -> None:
    (model,) = json.loads((run / "site" / "models.json").read_text(encoding="utf-8"))["models"]
    assert (model["file"], model["lora"]["file"]) == ("models/base-Q8_0.gguf", "models/adapter.gguf")
    served = sorted(path.name for path in (run / "site" / "models").glob("*.gguf"))
    assert served == NAMES and not model["quality"]  # what was measured is of the files that hold both
    memory = json.loads((run / "wasm" / "memory.json").read_text(encoding="utf-8"))["models"]
    assert memory["base-Q8_0.gguf"]["file_bytes"] == (run / "export" / "lora" / "base-Q8_0.gguf").stat().st_size
    measured = json.loads((run / "wasm" / "manifest.json").read_text(encoding="utf-8"))["measurements"]["threads"]
    assert measured["divergence"].keys() == {"model-Q8_0.gguf", "lora/base-Q8_0.gguf"}


def test_the_page_answers_with_both(
    run: Path, browser: Any, serving: Callable[[Path], AbstractContextManager[str]]
) -> None:
    from playwright.sync_api import expect

    with serving(run) as url:
        page = browser.new_context(locale="en-US").new_page()
        failures: list[str] = []
        page.on("pageerror", lambda error: failures.append(str(error)))
        page.goto(url)
        page.wait_for_selector("[data-ready]", state="attached")
        page.fill("#prompt", "むかしむかし")
        page.keyboard.press("Enter")
        expect(page.locator("#speed")).to_contain_text("tokens/s")
        assert page.evaluate(KEPT) == NAMES
        assert page.locator("#notice").is_hidden() and not failures
        page.click("#open-models")
        size = sum((run / "site" / "models" / name).stat().st_size for name in NAMES)
        page.wait_for_selector(".badge >> text=on this device")
        assert f"{size / 1e6:.1f}" in page.locator("#model-list").inner_text()
        page.context.close()


def test_what_does_not_go_together_is_refused_before_any_work() -> None:
    def refusal(change: Callable[[Any], object]) -> str:
        made = recipe()
        change(made)
        with pytest.raises(LilmError) as caught:
            parse_recipe(tomlkit.dumps(made), "lilm.toml", Path("/"))
        return caught.value.line()

    assert "site.adapter needs export.adapter" in refusal(lambda made: made["export"].pop("adapter"))
    budget = {"target_mb": 2.0, "quants": ["Q8_0"], "adapter": True}
    mixed = refusal(lambda made: made.update(export=budget, site={"quants": ["mix"], "adapter": True}))
    assert "site.adapter goes with llama.cpp's own types" in mixed

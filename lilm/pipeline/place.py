"""The device that a recipe's budget is for."""

from typing import TYPE_CHECKING

from lilm.recipe import Recipe

if TYPE_CHECKING:
    from lilm.fit.device import Place


def place_of(recipe: Recipe) -> "Place | None":
    """The device of [export] with the context and the page of [wasm]; None without one."""
    if not recipe.export.device:
        return None
    from lilm.fit.browser import page_use
    from lilm.fit.device import Place
    from lilm.fit.known.devices import find_device

    use = page_use(recipe.wasm, recipe.wasm.variants[0] == "threads")
    return Place(find_device(recipe.export.device), use, recipe.wasm.n_ctx)

"""LiLM: small language models in your own language, on the devices you already own.

From Python: `lilm.run` makes a run, `lilm.open_run` reads one that is there, `lilm.open_model` opens a GGUF file that
one can talk to, `lilm.load_recipe` reads a recipe. Each is loaded when it is first used, so `import lilm` is quick.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lilm.errors import LilmError as LilmError
    from lilm.python.model import Model as Model
    from lilm.python.model import Reply as Reply
    from lilm.python.model import open_model as open_model
    from lilm.python.results import ModelFile as ModelFile
    from lilm.python.results import Run as Run
    from lilm.python.results import open_run as open_run
    from lilm.python.run import run as run
    from lilm.recipe import Recipe as Recipe
    from lilm.recipe import load_recipe as load_recipe

__version__ = "0.1.0"
__all__ = ["LilmError", "Model", "ModelFile", "Recipe", "Reply", "Run", "load_recipe", "open_model", "open_run", "run"]

_HOMES = {
    "LilmError": "errors",
    "Model": "python.model",
    "ModelFile": "python.results",
    "Recipe": "recipe",
    "Reply": "python.model",
    "Run": "python.results",
    "load_recipe": "recipe",
    "open_model": "python.model",
    "open_run": "python.results",
    "run": "python.run",
}


def __getattr__(name: str) -> Any:
    """What `__all__` names, from where it is."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

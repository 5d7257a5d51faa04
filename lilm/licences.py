"""Under which licences a model and what it was made of stand, as far as somebody told: for the card and the page."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from lilm.origin import Origin
    from lilm.recipe import ChatSourceConfig, Recipe, SourceConfig

Kind = Literal["model", "base", "text", "pairs"]
OURS = "made up by LiLM, nobody else's"
MADE_BY_LILM = ("stories", "chats")  # formats
RECIPE = "the recipe"


@dataclass(frozen=True)
class Licence:
    """kind: of what. name: which one, "" for the model. repo: OWNER/NAME on the hub, "" elsewhere. licence: as told,
    "" where nobody told. told_by: who."""

    kind: Kind
    name: str = ""
    repo: str = ""
    licence: str = ""
    told_by: str = ""


def told_licences(recipe: "Recipe") -> tuple[Licence, ...]:
    """What a recipe tells: of the model, its base (none where it is made from scratch), each text, the pairs."""
    from lilm.origin import of_recipe

    rows = [_told("model", "", "", recipe.export.license)]
    if (base := of_recipe(recipe.base)) is not None:
        rows.append(_told("base", base.name, base.repo, recipe.base.license))
    sources: list[SourceConfig | ChatSourceConfig] = [*recipe.corpus.sources, *recipe.finetune.sources]
    for source in sources:
        repo = source.repo if source.format == "hub" else ""
        row = _told("text", source.name, repo, source.license)
        rows.append(replace(row, licence=OURS, told_by="") if source.format in MADE_BY_LILM else row)
    if recipe.finetune.preference.path:
        rows.append(_told("pairs", "", "", recipe.finetune.preference.license))
    return tuple(rows)


def with_origin(rows: Sequence[Licence], origin: "Origin | None") -> tuple[Licence, ...]:
    """The same, with what the base itself says, where it says something, in place of what the recipe does."""
    if origin is None:
        return tuple(rows)
    base = next((row for row in rows if row.kind == "base"), Licence("base"))
    base = replace(base, name=origin.name, repo=origin.repo)
    if origin.license:
        base = replace(base, licence=origin.license, told_by=origin.license_from)
    model = [row for row in rows if row.kind == "model"]
    return (*model, base, *(row for row in rows if row.kind not in ("model", "base")))


def _told(kind: Kind, name: str, repo: str, licence: str) -> Licence:
    return Licence(kind, name, repo, licence, RECIPE if licence else "")

"""On which devices a run's files fit, with the context that its page has."""

from collections.abc import Sequence
from typing import Any

from lilm.export.quality.opened import Measured, OpenedRun


def where_they_fit(run: OpenedRun, files: Sequence[Measured]) -> dict[str, Any]:
    """{"n_ctx", "kv_type": of the recipe's [wasm], n_ctx not more than the model was trained for, "devices": see
    lilm.fit.fits.fit_matrix}. A file fits where its longest context is not shorter than n_ctx."""
    from lilm.fit.fits import fit_matrix
    from lilm.fit.known.devices import load_devices
    from lilm.fit.model import read_model
    from lilm.wasm.stage import memory_use

    config = run.recipe.wasm
    models = {file.name: read_model(file.path) for file in files}
    trained = models[run.full.name].shape.context
    rows = fit_matrix(load_devices().values(), models, memory_use(config, config.variants[0]))
    return {"n_ctx": min(config.n_ctx, trained), "kv_type": config.kv_type, "devices": rows}

"""Runs the WASI program in this process, which sees one folder: the model's. A process of its own, since wasmtime holds
it until the program ends. Its arguments, after that of `lilm.child`:

  PROGRAM MODEL N_CTX N_PREDICT TEMPERATURE TOP_K TOP_P MIN_P REPEAT_PENALTY SEED
"""

import sys
from pathlib import Path

import wasmtime


def main() -> None:
    sys.exit(_run(*sys.argv[2:]))


def _run(program: str, model: str, *values: str) -> int:
    config = wasmtime.Config()
    config.cache = True  # compiled code, in wasmtime's own cache folder
    engine = wasmtime.Engine(config)
    store = wasmtime.Store(engine)
    wasi = wasmtime.WasiConfig()
    wasi.argv = ["lilm-wasi", f"/model/{Path(model).name}", *values]
    wasi.preopen_dir(str(Path(model).parent), "/model", fs_mutable=False)
    wasi.inherit_stdin()
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    store.set_wasi(wasi)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    start = linker.instantiate(store, wasmtime.Module.from_file(engine, program)).exports(store)["_start"]
    try:
        start(store)  # type: ignore[operator]
    except wasmtime.ExitTrap as ended:
        return int(ended.code)
    except wasmtime.Trap as trap:
        print(f"error: {str(trap).splitlines()[0]}", file=sys.stderr)  # noqa: T201
        return 1
    return 0

"""The JavaScript runtime that a page gets beside the builds."""

import re
import shutil
from importlib.resources import files
from pathlib import Path

NAMED = re.compile(r'"(?:\./)?([\w-]+\.mjs)"')  # a module of the runtime, as its files import one or start one


def runtime_dir() -> Path:
    return Path(str(files("lilm.wasm"))) / "runtime"


def runtime_files() -> tuple[str, ...]:
    """Names of the runtime's files that a page needs: what `lilm.mjs` names, what that names, and so on, with the types
    and package.json."""
    found = {"package.json", *(path.name for path in runtime_dir().glob("*.d.mts"))}
    waiting = ["lilm.mjs"]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += NAMED.findall((runtime_dir() / name).read_text(encoding="utf-8"))
    return tuple(sorted(found))


def copy_runtime(target: Path) -> None:
    """Copy what a page needs into the folder `target`, which is made if it is not there."""
    target.mkdir(parents=True, exist_ok=True)
    for name in runtime_files():
        shutil.copyfile(runtime_dir() / name, target / name)

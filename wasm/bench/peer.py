"""The peer: @wllama/wllama from npm, at a version whose archive's hash is known."""

import shutil
import subprocess
import tarfile
from pathlib import Path

from lilm.cache import cache_dir, put_in_place
from lilm.errors import LilmError
from lilm.pipeline.hashing import sha256_file
from lilm.temporary import temporary_folder

PACKAGE, VERSION = "@wllama/wllama", "3.13.0"
SHA256 = "a9eaac205ff9a1d6fdbea395a48652bd5febc56511a7b66b736d862bf726d2d5"
NEEDED = {"package/esm/index.js": "index.js", "package/esm/wasm/wllama.wasm": "wllama.wasm"}


def wllama() -> Path:
    """Folder with index.js and wllama.wasm, from the cache or by npm.

    Raises LilmError when npm is missing, does not get it, or gets something else.
    """
    folder = cache_dir() / "bench" / f"wllama-{VERSION}"
    if folder.is_dir():
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise LilmError("npm is not installed", remedy="sudo apt-get install npm (it fetches wllama to compare with)")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder("peer", folder.parent) as part:
        command = [npm, "pack", "--silent", "--pack-destination", str(part), f"{PACKAGE}@{VERSION}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        archives = list(part.glob("*.tgz"))
        if done.returncode != 0 or not archives:
            said = (done.stderr.strip().splitlines() or ["no answer"])[-1]
            raise LilmError(f"npm cannot fetch {PACKAGE} {VERSION} ({said})", remedy="connect to the npm registry")
        found = sha256_file(archives[0])
        if found != SHA256:
            raise LilmError(f"sha256 is {found}, expected {SHA256}", where=f"{PACKAGE} {VERSION}", remedy="try again")
        new = Path(part) / "files"
        new.mkdir()
        with tarfile.open(archives[0]) as archive:
            for name, target in NEEDED.items():
                member = archive.extractfile(name)
                if member is None:
                    raise LilmError(f"no {name} in it", where=f"{PACKAGE} {VERSION}", remedy="try again")
                (new / target).write_bytes(member.read())
        put_in_place(new, folder)
    return folder

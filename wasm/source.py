"""llama.cpp's source as it lies inside the installed llama-cpp-python's sdist: fetched, verified, patched, cached."""

import shutil
import subprocess
import tarfile
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path

from lilm.cache import cache_dir, check_sha256, pip_download, put_in_place
from lilm.errors import LilmError
from lilm.pipeline.hashing import sha256_file, sha256_json
from lilm.pipeline.stage import LLAMA_CPP_LICENSE
from lilm.temporary import temporary_folder

SDIST_SHA256 = {
    "0.3.36": "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e",
}
NEEDED = ("CMakeLists.txt", "LICENSE", "cmake/", "common/", "ggml/", "include/", "src/", "vendor/", "app/")
# Backends and examples that the wasm build never reads are most of the bytes.
UNNEEDED_GGML = {
    *("blas", "cann", "cuda", "et", "hexagon", "hip", "metal", "musa", "opencl", "openvino", "rpc", "sycl"),
    *("virtgpu", "vulkan", "webgpu", "zdnn", "zendnn"),
}


def llama_cpp_python_version() -> str:
    try:
        return version("llama-cpp-python")
    except PackageNotFoundError as error:
        remedy = "`lilm doctor` says how to install it"
        raise LilmError("llama-cpp-python is not installed", remedy=remedy) from error


def sdist_file(release: str) -> Path:
    """Where it lies in the cache once it is fetched."""
    return cache_dir() / "src" / f"llama_cpp_python-{release}.tar.gz"


def require_patch() -> None:
    """Raises LilmError where the program `patch` is missing."""
    if shutil.which("patch") is None:
        raise LilmError("`patch` is not installed", remedy="run `sudo apt-get install patch`")


def fetch_sdist(release: str) -> Path:
    """The verified sdist of llama-cpp-python `release`, from the cache or by pip from the package index.

    Raises LilmError when the release is unknown here, cannot be fetched, or is not what it should be.
    """
    expected = SDIST_SHA256.get(release)
    if expected is None:
        raise LilmError(
            f"no known sdist hash for llama-cpp-python {release}",
            remedy="pip install llama-cpp-python==" + max(SDIST_SHA256),
        )
    sdist = sdist_file(release)
    if not sdist.is_file():
        pip_download("llama-cpp-python", release, sdist, ("--no-binary", "llama-cpp-python"))
    check_sha256(sdist, expected)
    return sdist


def patch_files() -> list[Path]:
    folder = Path(str(files("lilm.wasm"))) / "patches"
    return sorted(folder.glob("*.patch"))


def is_needed(name: str) -> bool:
    """Whether the wasm build reads this path, which is relative to llama.cpp's root."""
    if name.startswith("ggml/src/ggml-") and "/" in name[len("ggml/src/ggml-") :]:
        return name[len("ggml/src/ggml-") :].split("/")[0] not in UNNEEDED_GGML
    return any(name == entry or (entry.endswith("/") and name.startswith(entry)) for entry in NEEDED)


def extract(sdist: Path, target: Path) -> None:
    """Unpack the needed part of `vendor/llama.cpp` into `target`; nothing can land outside of it."""
    root = sdist.name.removesuffix(".tar.gz") + "/vendor/llama.cpp/"
    with tarfile.open(sdist) as archive:
        for member in archive:
            inside = member.name.removeprefix(root)
            if inside != member.name and is_needed(inside):
                member.name = inside
                archive.extract(member, target, filter="data")
    if not (target / "src" / "llama.cpp").is_file():
        raise LilmError("no llama.cpp source inside", where=str(sdist), remedy="delete the file and start again")


def apply_patch(tree: Path, patch: Path) -> None:
    """Apply one patch exactly; raises LilmError when the source is not the one it was made for."""
    command = ["patch", "-p1", "--forward", "--fuzz=0", "--no-backup-if-mismatch", "-i", str(patch)]
    done = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["patch said nothing"]
        raise LilmError(f"{patch.name} does not apply: {lines[-1]}", where=str(tree))


def source_key(release: str) -> str:
    """Names the patched source: changes with the release and with any patch."""
    return sha256_json([SDIST_SHA256[release], [sha256_file(patch) for patch in patch_files()]])[:16]


def prepare_source() -> tuple[Path, str]:
    """The patched llama.cpp tree of the installed llama-cpp-python, and its key."""
    release = llama_cpp_python_version()
    sdist = fetch_sdist(release)
    require_patch()
    key = source_key(release)
    tree = cache_dir() / "src" / f"llama.cpp-{key}"
    if not tree.is_dir():
        with temporary_folder("source", tree.parent) as part:
            new = part / tree.name
            extract(sdist, new)
            for patch in patch_files():
                apply_patch(new, patch)
            put_in_place(new, tree)
    return tree, key


def copy_license(folder: Path) -> None:
    """Put llama.cpp's licence, as its source has it, into `folder`: whoever passes a build on passes it on too."""
    tree, _ = prepare_source()
    shutil.copyfile(tree / "LICENSE", folder / LLAMA_CPP_LICENSE)

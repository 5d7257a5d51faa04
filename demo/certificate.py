"""A certificate of one's own for `lilm serve --lan --certificate`, by openssl, kept for the next time."""

import hashlib
import ipaddress
import shutil
import ssl
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from lilm.cache import state_dir
from lilm.errors import LilmError
from lilm.pipeline.hashing import sha256_json
from lilm.temporary import temporary_folder

DAYS = 397  # browsers take none that is valid much longer
SPARE_SECONDS = 7 * 86_400  # one that ends sooner is made anew
PRIVATE = 0o077  # umask: the key is its owner's alone


@dataclass(frozen=True)
class Certificate:
    """Files in PEM. fingerprint: SHA-256 of the certificate, as browsers show it."""

    certificate: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        der = ssl.PEM_cert_to_DER_cert(self.certificate.read_text(encoding="ascii"))
        digest = hashlib.sha256(der).hexdigest().upper()
        return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def own_certificate(names: Collection[str]) -> Certificate:
    """The one for these names and addresses that is kept in the user's state folder, or a new one where there is none,
    or it ends soon. Raises LilmError when there is no openssl, or it does not make one."""
    folder = state_dir() / "certificates" / sha256_json(sorted(names))[:16]
    kept = Certificate(folder / "certificate.pem", folder / "key.pem")
    if _works(kept) and _lasts(kept.certificate):
        return kept
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with temporary_folder("certificate", folder.parent) as work:
        made = work / "made"
        made.mkdir(mode=0o700)
        _openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-sha256"),
            *("-days", str(DAYS), "-subj", "/CN=LiLM on this machine", "-batch"),
            *("-addext", "subjectAltName=" + ",".join(sorted(map(_alternative, names)))),
            *("-addext", "extendedKeyUsage=serverAuth", "-addext", "keyUsage=critical,digitalSignature"),
            *("-keyout", str(made / kept.key.name), "-out", str(made / kept.certificate.name)),
        )
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return kept


def _alternative(name: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def _works(kept: Certificate) -> bool:
    """Whether both are there, whole, and belong together."""
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(kept.certificate, kept.key)
    except (OSError, ssl.SSLError):
        return False
    return True


def _lasts(certificate: Path) -> bool:
    command = ["openssl", "x509", "-checkend", str(SPARE_SECONDS), "-noout", "-in", str(certificate)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return True  # it cannot be asked, nor could another be made


def _openssl(*words: str) -> None:
    try:
        subprocess.run(["openssl", *words], capture_output=True, text=True, check=True, umask=PRIVATE)
    except FileNotFoundError as error:
        raise LilmError(
            "openssl is missing, which makes the certificate",
            where="--certificate",
            remedy="sudo apt-get install openssl",
        ) from error
    except subprocess.CalledProcessError as error:
        lines = str(error.stderr).strip().splitlines() or ["it said nothing"]
        raise LilmError(
            f"openssl: {lines[-1]}", where="--certificate", remedy="openssl 1.1.1 or newer is needed"
        ) from error

"""Reads a Hugging Face folder's weights one tensor at a time, over all its safetensors files."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal

from safetensors import SafetensorError, safe_open

from lilm.closing import Closing
from lilm.errors import LilmError
from lilm.json_file import read_json_object

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
LONGEST_NAME = 255  # bytes
REMEDY = "write the folder again (`lilm run --from finetune`), or fetch it again"


class Weights(Closing):
    """The tensors of a folder, by name; use it in a `with`. Only what is asked for is read.

    framework: whose tensors are given; the headers alone can be read without importing torch. remedy: what the user is
    told to do about broken files. single: the name of the file where one holds all. Raises LilmError naming the file
    when one is missing, truncated, not safetensors or not beside the index that names it.
    """

    def __init__(
        self, folder: Path, framework: Literal["pt", "np"] = "pt", remedy: str = REMEDY, single: str = SINGLE
    ) -> None:
        self._stack = ExitStack()
        self._framework, self._remedy = framework, remedy
        self._files: dict[str, Any] = {}
        self._paths: dict[str, Path] = {}
        whole, index = folder / single, folder / INDEX
        try:
            if whole.is_file() or not index.is_file():  # as transformers chooses
                self._add(whole)
            else:
                self._add_all(index)
        except BaseException:
            self._stack.close()
            raise

    def _add_all(self, index: Path) -> None:
        named = _weight_map(index, self._remedy)
        for file in sorted(set(named.values())):
            self._add(index.parent / file)
        for name, file in sorted(named.items()):
            if self._paths.get(name) != index.parent / file:
                raise LilmError(f"no tensor {name} in {file}, which it names", where=str(index), remedy=self._remedy)

    def _add(self, path: Path) -> None:
        if not path.is_file():
            raise LilmError("no such file", where=str(path), remedy=self._remedy)
        try:
            file = self._stack.enter_context(safe_open(path, framework=self._framework))
        except (SafetensorError, OSError) as error:
            raise _unreadable(path, error, self._remedy) from error
        for name in file.keys():  # noqa: SIM118 - a handle, not a dict
            if name in self._paths:
                raise LilmError(
                    f"tensor {name} stands in {self._paths[name].name} too", where=str(path), remedy=self._remedy
                )
            self._files[name], self._paths[name] = file, path

    @property
    def names(self) -> list[str]:
        return sorted(self._files)

    def path(self, name: str) -> Path:
        """The file that holds the tensor."""
        return self._paths[name]

    @property
    def files(self) -> list[Path]:
        """The files that hold tensors."""
        return sorted(set(self._paths.values()))

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._files[name].get_slice(name).get_shape())

    def dtype(self, name: str) -> str:
        """The type's name in safetensors."""
        return str(self._files[name].get_slice(name).get_dtype())

    def tensor(self, name: str) -> Any:
        """The tensor as a torch tensor of its own type. Raises LilmError when its bytes cannot be read."""
        try:
            return self._files[name].get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise _unreadable(self._paths[name], error, self._remedy) from error

    def close(self) -> None:
        self._stack.close()


def _weight_map(index: Path, remedy: str) -> Mapping[str, str]:
    """Returns the file of each tensor. Raises LilmError for a name that leads out of the folder."""
    data = read_json_object(index, remedy=remedy)
    if not isinstance(data.get("metadata"), dict):  # transformers reads none without
        raise LilmError("it has no metadata", where=str(index), remedy=remedy)
    found = data.get("weight_map")
    if not isinstance(found, dict) or not found:
        raise LilmError("it has no weight_map, or an empty one", where=str(index), remedy=remedy)
    for name, file in found.items():
        if not isinstance(file, str) or not _is_plain(file):
            raise LilmError(f"it names {file!r} for {name}, not a file beside it", where=str(index), remedy=remedy)
    return found


def _is_plain(file: str) -> bool:
    """Whether a name has no folder in it, on any system, and is no longer than a file's may be."""
    if len(file.encode("utf-8", errors="surrogatepass")) > LONGEST_NAME:
        return False
    return file not in ("", ".", "..") and PurePosixPath(file).name == PureWindowsPath(file).name == file


def _unreadable(path: Path, error: Exception, remedy: str) -> LilmError:
    return LilmError(f"corrupt or truncated safetensors ({error})", where=str(path), remedy=remedy)

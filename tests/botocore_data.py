"""botocore's own data files, read once for each process of a test run: a new session lists four hundred folders and reads
megabytes of JSON otherwise.
"""

from functools import cache
from typing import Any

from botocore.loaders import JSONFileLoader, Loader

_read = JSONFileLoader()


@cache
def _content(file_path: str) -> Any:
    return _read.load_file(file_path)


class KeptFiles(JSONFileLoader):
    """What every `Loader` reads with; a file that is not there is asked for again."""

    def load_file(self, file_path: str) -> Any:
        return _content(file_path) if self.exists(file_path) else None


def keep() -> None:
    """From here on, for every session of this process."""
    Loader.FILE_LOADER_CLASS = KeptFiles
    listed = Loader.list_available_services
    known: dict[tuple[str, ...], list[str]] = {}

    def services(loader: Loader, type_name: str) -> list[str]:
        key = (type_name, *loader.search_paths)
        if key not in known:
            known[key] = listed(loader, type_name)
        return [*known[key]]

    Loader.list_available_services = services  # type: ignore[method-assign,assignment]

"""What botocore finds out anew for each session, found out once for each process of a test run: a new session lists four
hundred folders, reads megabytes of JSON, renames its events and asks each of its handlers for its signature otherwise.
"""

import inspect
from functools import cache
from typing import Any

from botocore import hooks
from botocore.hooks import EventAliaser
from botocore.loaders import JSONFileLoader, Loader
from botocore.utils import EVENT_ALIASES

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
    _keep_events()


def _keep_events() -> None:
    aliasers: Any = EventAliaser
    all_hooks: Any = hooks
    begin, accepts = aliasers.__init__, all_hooks.accepts_kwargs
    names: dict[str, str] = {}
    of_function = cache(accepts)

    def with_known_names(aliaser: Any, *arguments: Any, **options: Any) -> None:
        begin(aliaser, *arguments, **options)
        if aliaser._event_aliases == EVENT_ALIASES:
            aliaser._alias_name_cache = names

    def known(handler: Any) -> Any:
        function = handler.__func__ if inspect.ismethod(handler) else handler
        lasts = inspect.isfunction(function) and "<locals>" not in function.__qualname__
        return of_function(function) if lasts else accepts(handler)

    aliasers.__init__ = with_known_names
    all_hooks.accepts_kwargs = known

"""Superset's cache until the next load: files, each for one version of the data and one group of users."""

import datetime as dt
import hashlib
import json
import os
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from audience import audience
from data_version import DataVersion
from flask import Flask, g
from flask_caching.backends.base import BaseCache
from flask_caching.backends.filesystemcache import FileSystemCache
from single_flight import alone

FILES = 1000  # the oldest go if there are more
WRITING = 60  # seconds in which a file is left alone, because it may still be written
LASTS = 24 * 60 * 60  # seconds; the next load ends an entry earlier


class Folder:
    """The files, with their version and group."""

    def __init__(self, home: Path, warehouse_url: str) -> None:
        self.locks = home / "locks"
        self._marks, self._folder = home / "marks", home / "files"
        for folder in (home, self._folder, self.locks, self._marks):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        self.files = FileSystemCache(
            str(self._folder), threshold=FILES, default_timeout=LASTS, hash_method=hashlib.sha256
        )
        self._data = DataVersion(warehouse_url)
        self._state = ""
        self._lock = threading.Lock()

    def scope(self) -> str | None:
        """The prefix of all keys for the user of this request; None if nothing may be kept.

        It changes after a load, after a change of Superset's dashboards, roles or rules, and on another day (UTC),
        because a chart may be of "the last month".
        """
        if "kept_for" not in g:  # once per request, which reads this version or a later one
            g.kept_for = self._scope()
        found: str | None = g.kept_for
        return found

    def assets(self) -> str:
        """The state of Superset's own dashboards, users, roles and rules; in a request, at its beginning.

        A request reads them in that state or a later one. So nothing old is kept under a new name.
        """
        found: str | None = g.get("assets_at_first")
        return self._mark("assets") if found is None else found

    def begin(self) -> None:
        """Begins a request, before its user is read."""
        g.assets_at_first = self._mark("assets")

    def assets_changed(self) -> None:
        """Ends all entries, because the dashboards or rules behind them have changed."""
        self._set_mark("assets", uuid.uuid4().hex)

    def _scope(self) -> str | None:
        version, assets = self._data.now(), self.assets()
        if version is None or (who := audience(assets)) is None:
            return None
        state = json.dumps([version, assets, str(dt.datetime.now(dt.UTC).date())])
        self._forget_before(state)
        return json.dumps([state, who])  # JSON, so that no name of a role can pass for two

    def _forget_before(self, state: str) -> None:
        """Removes the entries of another state. The first process that sees the new state does it."""
        if state == self._state:
            return
        with self._lock, alone(self._marks, "state"):
            self._state = state
            if self._mark("state") == state:
                return
            self._set_mark("state", state)
            for path in self._folder.iterdir():
                with suppress(FileNotFoundError):
                    if path.stat().st_mtime < time.time() - WRITING:
                        path.unlink()

    def _mark(self, name: str) -> str:
        try:
            return (self._marks / name).read_text()
        except FileNotFoundError:
            return ""

    def _set_mark(self, name: str, text: str) -> None:
        new = self._marks / f"{name}.{os.getpid()}.{threading.get_ident()}"
        new.write_text(text)
        new.replace(self._marks / name)


class DataCache(BaseCache):
    """Superset's cache of query results, in such a folder."""

    def __init__(self, folder: Folder) -> None:
        super().__init__(default_timeout=LASTS)
        self._folder = folder

    @classmethod
    def factory(cls, _app: Flask, config: dict[str, Any], *_: object) -> "DataCache":
        """Makes the cache for flask-caching; `FOLDER` of the configuration is the folder."""
        return cls(config["FOLDER"])

    def get(self, key: str) -> Any:
        """The entry for this user and version; None without one."""
        scope = self._folder.scope()
        return None if scope is None else self._folder.files.get(scope + key)

    def set(self, key: str, value: Any, timeout: int | None = None) -> bool:
        """Keeps the value for all users with the same view, until the next load."""
        scope = self._folder.scope()
        return scope is not None and bool(self._folder.files.set(scope + key, value, timeout))

    def delete(self, key: str) -> bool:
        """Deletes the entry."""
        scope = self._folder.scope()
        return scope is not None and bool(self._folder.files.delete(scope + key))

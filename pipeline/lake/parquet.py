"""Parquet on the lake as CSV for COPY. pyarrow is imported here alone, and only once there is a file to read."""

import io
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing
from typing import cast

from pipeline.kernel.errors import BadExtract
from pipeline.kernel.streams import Blocks
from pipeline.lake.objects import Lake

ROWS = 1 << 16  # that are turned into CSV at a time


class ParquetCsv(Blocks):
    """The rows of some files as one CSV with a header; each value of a file's `constants` is a column more.

    `schema` has the type of each column of a file, as pyarrow writes it. The columns of `later` may be missing in a
    file, as an earlier version wrote it; their values are then empty. Memory does not grow with the files. Raises
    BadExtract for a file that is gone, no Parquet, or of another schema.
    """

    def __init__(
        self,
        lake: Lake,
        files: Iterable[tuple[str, dict[str, str]]],
        schema: Mapping[str, str],
        columns: list[str],
        later: Collection[str] = (),
    ) -> None:
        self.lake, self.schema, self.columns, self.later = lake, schema, columns, later
        super().__init__(self._written(files))

    def _written(self, files: Iterable[tuple[str, dict[str, str]]]) -> Iterator[bytes]:
        yield ",".join(self.columns).encode() + b"\n"
        import pyarrow as pa
        from pyarrow import csv, parquet

        for key, constants in files:
            with tempfile.TemporaryFile() as file:
                self._fetch(key, file)
                try:
                    found = parquet.ParquetFile(file)
                    names = [each.name for each in found.schema_arrow]
                    missing = [name for name in self.later if name not in names]
                    wanted = [(name, type_) for name, type_ in self.schema.items() if name not in missing]
                    if sorted((each.name, str(each.type)) for each in found.schema_arrow) != sorted(wanted):
                        raise self._bad(key, "its columns are not those that were written there")
                    for batch in found.iter_batches(ROWS):
                        table = pa.Table.from_batches([batch])
                        for name, value in constants.items():
                            table = table.append_column(name, pa.repeat(value, len(table)))
                        for name in missing:
                            table = table.append_column(name, pa.nulls(len(table)))
                        sink = io.BytesIO()
                        csv.write_csv(table.select(self.columns), sink, csv.WriteOptions(include_header=False))
                        yield sink.getvalue()
                except (pa.ArrowException, KeyError) as error:
                    raise self._bad(
                        key, f"it is not the Parquet that was written there ({type(error).__name__})"
                    ) from None

    def _fetch(self, key: str, file: "tempfile._TemporaryFileWrapper[bytes] | io.BufferedRandom") -> None:
        body = self.lake.open(key)
        if body is None:
            raise self._bad(key, "the file is not there")
        with closing(body):
            shutil.copyfileobj(cast(io.BufferedIOBase, body), file)
        file.seek(0)

    def _bad(self, key: str, because: str) -> BadExtract:
        folder = key.rsplit("/", 1)[0]
        return BadExtract(
            f"load {self.lake.url}/{key}", because, f"delete the folder {folder} on the lake, and run the date again"
        )

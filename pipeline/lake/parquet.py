"""Parquet on the lake as CSV for COPY. pyarrow is imported here alone, and only once there is a file to read."""

import io
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import cast

from pipeline.kernel.errors import BadExtract
from pipeline.kernel.streams import Blocks
from pipeline.lake.objects import Lake

ROWS = 1 << 16  # that are turned into CSV at a time


class ParquetCsv(Blocks):
    """The rows of some files as one CSV with a header; each value of a file's `constants` is a column more.

    `schema` has the type of each column of a file, as pyarrow writes it. Memory does not grow with the files. Raises
    BadExtract for a file that is gone, no Parquet, or of another schema.
    """

    def __init__(
        self, lake: Lake, files: Iterable[tuple[str, dict[str, str]]], schema: Mapping[str, str], columns: list[str]
    ) -> None:
        self.lake, self.schema, self.columns = lake, schema, columns
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
                    if sorted((each.name, str(each.type)) for each in found.schema_arrow) != sorted(
                        self.schema.items()
                    ):
                        raise self._bad(key, "its columns are not those that were written there")
                    for batch in found.iter_batches(ROWS):
                        table = pa.Table.from_batches([batch])
                        for name, value in constants.items():
                            table = table.append_column(name, pa.repeat(value, len(table)))
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

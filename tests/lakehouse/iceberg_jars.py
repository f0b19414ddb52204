"""The Jackson that Iceberg's jar on the index has lost: Spark's own, under the name that Iceberg asks for.

Users name Iceberg's own release in lakehouse_jars of luigi.cfg, which lacks nothing.
"""

import io
import struct
import zipfile
from pathlib import Path

JACKSON = ("jackson-core", "jackson-databind", "jackson-annotations")
PACKAGE, SHADED = b"com/fasterxml/jackson", b"org/apache/iceberg/shaded/com/fasterxml/jackson"
# The sizes of a class file's constants by their tags (JVM specification, 4.4); Utf8 (1) has its own.
SIZES = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
UTF8, TWO_PLACES = 1, (5, 6)


def shaded_jackson(spark_jars: Path, target: Path) -> Path:
    """Writes Spark's Jackson with the package name that Iceberg asks for; returns the jar."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as shaded:
        for name in JACKSON:
            [jar] = spark_jars.glob(f"{name}-2*.jar")
            with zipfile.ZipFile(jar) as found:
                for entry in found.namelist():
                    if entry.endswith(".class") and not entry.startswith("META-INF/"):
                        moved = entry.replace(PACKAGE.decode(), SHADED.decode())
                        shaded.writestr(moved, renamed(found.read(entry)))
    return target


def renamed(content: bytes) -> bytes:
    """A class file in whose constants the package has its new name."""
    [count] = struct.unpack(">H", content[8:10])
    written, place, number = io.BytesIO(), 10, 1
    written.write(content[:10])
    while number < count:
        tag = content[place]
        if tag == UTF8:
            [length] = struct.unpack(">H", content[place + 1 : place + 3])
            text = content[place + 3 : place + 3 + length]
            text = text.replace(PACKAGE, SHADED).replace(PACKAGE.replace(b"/", b"."), SHADED.replace(b"/", b"."))
            written.write(struct.pack(">BH", tag, len(text)) + text)
            place += 3 + length
        else:
            written.write(content[place : place + 1 + SIZES[tag]])
            place += 1 + SIZES[tag]
        number += 2 if tag in TWO_PLACES else 1
    written.write(content[place:])
    return written.getvalue()

"""Read the files inside a Qt binary resource archive (``.rcc``).

The layout is that of Qt's own writer and reader (qtbase: src/tools/rcc/rcc.cpp and
src/corelib/io/qresource.cpp): a header, a blob section, a name section and a tree of fixed-size
nodes, all big-endian.
"""

import struct
import zlib

_DIRECTORY, _ZLIB, _ZSTD = 0x02, 0x01, 0x04


def read_rcc(blob: bytes) -> dict[str, bytes]:
    """Return every file in the archive, by its path inside it.

    A Zstandard-compressed entry is left out: the standard library of the Python this was written
    for has no decoder, and image files are stored by Qt without compression.
    """
    if blob[:4] != b"qres":
        raise ValueError("not a Qt resource archive: it does not start with 'qres'")
    version, tree, data, names = struct.unpack_from(">4I", blob, 4)
    node_size = 14 if version < 2 else 22

    def name_at(offset: int) -> str:
        (length,) = struct.unpack_from(">H", blob, names + offset)
        start = names + offset + 6
        return blob[start : start + 2 * length].decode("utf-16-be")

    files: dict[str, bytes] = {}
    pending = [(0, "")]
    while pending:
        index, prefix = pending.pop()
        at = tree + index * node_size
        name_offset, flags = struct.unpack_from(">IH", blob, at)
        path = prefix if index == 0 else f"{prefix}{name_at(name_offset)}"
        if flags & _DIRECTORY:
            count, first = struct.unpack_from(">II", blob, at + 6)
            folder = f"{path}/" if path else ""
            pending.extend((child, folder) for child in range(first, first + count))
            continue
        (offset,) = struct.unpack_from(">I", blob, at + 10)
        (length,) = struct.unpack_from(">I", blob, data + offset)
        content = blob[data + offset + 4 : data + offset + 4 + length]
        if flags & _ZSTD:
            continue
        files[path] = zlib.decompress(content[4:]) if flags & _ZLIB else content
    return files

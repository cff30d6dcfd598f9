"""An image file without its metadata: what is left to read where Pillow stumbles over the rest."""

import re
import struct

PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_PIXELS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
WEBP_PIXELS = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"}
WEBP_METADATA_FLAGS = 0b00101100
"""Of the chunk VP8X: there is a colour profile, EXIF, XMP."""

TIFF_PIXELS = {
    254, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324,
    325, 332, 338, 339, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532,
}  # fmt: skip
"""The tags that say where the pixels are, how they are packed, and what they mean."""
TIFF_ORIENTATION = 274

AVIF_METADATA = re.compile(rb"(infe\x02.{7})(?:Exif|mime)", re.DOTALL)
"""An entry in the list of a file's items, by ISO/IEC 14496-12: flags, number, protection, type."""


def without_metadata(data: bytes, keep_exif: bool) -> bytes:
    """Return the image file `data` with what its pixels need, and no more.

    A format that has no metadata to stumble over, and a file that is too damaged to be taken
    apart, comes back as it is.

    Args:
        keep_exif: whether the EXIF block stays, or the orientation in a TIFF file.
    """
    try:
        if data.startswith(PNG_START):
            return _png(data, keep_exif)
        if data.startswith(b"\xff\xd8"):
            return _jpeg(data, keep_exif)
        if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
            return _webp(data, keep_exif)
        if data.startswith((b"II", b"MM")):
            return _tiff(data, keep_exif)
        if data.startswith(b"GIF8"):
            return _gif(data)
        if data[4:8] == b"ftyp":
            return AVIF_METADATA.sub(rb"\1skip", data)
    except (IndexError, struct.error):  # cut off
        pass
    return data


def _png(data: bytes, keep_exif: bool) -> bytes:
    kept, place = [PNG_START], len(PNG_START)
    while place + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        chunk = data[place : place + 12 + length]
        if name in PNG_PIXELS or (name == b"eXIf" and keep_exif):
            kept.append(chunk)
        if name == b"IEND":
            break
        place += 12 + length
    return b"".join(kept)


def _jpeg(data: bytes, keep_exif: bool) -> bytes:
    kept, place = [data[:2]], 2
    while True:
        while data[place] != 0xFF or data[place + 1] in (0, 0xFF):  # filling between two segments
            place += 1
        marker = data[place + 1]
        if marker == 0xDA:  # the pixels
            return b"".join([*kept, data[place:]])
        end = place + 2 + struct.unpack_from(">H", data, place + 2)[0]
        segment = data[place:end]
        body = segment[4:]
        # Two segments say how colours are stored; libjpeg heeds them from these lengths on.
        says_colours = (marker == 0xE0 and len(body) >= 14) or (marker == 0xEE and len(body) >= 12)
        is_exif = marker == 0xE1 and body.startswith(b"Exif\0\0")
        is_metadata = 0xE0 <= marker <= 0xEF or marker == 0xFE
        if not is_metadata or says_colours or (is_exif and keep_exif):
            kept.append(segment)
        place = end


def _webp(data: bytes, keep_exif: bool) -> bytes:
    kept, place = [], 12
    while place + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, place)
        end = place + 8 + length + length % 2
        chunk = data[place:end]
        if name == b"VP8X":
            chunk = chunk[:8] + bytes([chunk[8] & ~WEBP_METADATA_FLAGS]) + chunk[9:]
        if name in WEBP_PIXELS or (name == b"EXIF" and keep_exif):
            kept.append(chunk)
        place = end
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _gif(data: bytes) -> bytes:
    has_palette, colours = data[10] & 0x80, 2 << (data[10] & 7)
    place = 13 + (3 * colours if has_palette else 0)
    kept = [data[:place]]
    while data[place] == 0x21:  # an extension: its kind, and blocks up to an empty one
        kind, length, end = data[place + 1], data[place + 2], place + 2
        while data[end]:
            end += 1 + data[end]
        end += 1
        if kind == 0xF9 and length >= 4:  # it may name a transparent colour
            kept.append(data[place:end])
        place = end
    return b"".join([*kept, data[place:]])


def _tiff(data: bytes, keep_exif: bool) -> bytes:
    order = "<" if data.startswith(b"II") else ">"
    is_big = 43 in data[2:4]
    count_format, entry_size, pointer, header = (
        (order + "Q", 20, order + "Q", 8) if is_big else (order + "H", 12, order + "I", 4)
    )
    (start,) = struct.unpack_from(pointer, data, header)
    (count,) = struct.unpack_from(count_format, data, start)
    start += struct.calcsize(count_format)
    end = min(start + count * entry_size, len(data))
    entries = [data[place : place + entry_size] for place in range(start, end, entry_size)]
    wanted = TIFF_PIXELS | ({TIFF_ORIENTATION} if keep_exif else set())
    kept = [entry for entry in entries if struct.unpack_from(order + "H", entry)[0] in wanted]
    # Offsets count from the start of the file, so all but the list of tags stays where it is.
    padded = data + b"\0" * (len(data) % 2)
    listed = struct.pack(count_format, len(kept)) + b"".join(kept) + struct.pack(pointer, 0)
    after = header + struct.calcsize(pointer)
    return padded[:header] + struct.pack(pointer, len(padded)) + padded[after:] + listed

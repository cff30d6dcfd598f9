"""archive: a data set reads the same however it is packed, and odd archives are refused."""

import gzip
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from stages.common.command import InputError
from stages.images.archive import list_files, read_files
from tests.helpers import flat, write_zip

FILES = {"b/two.png": b"22", "a/one.png": b"1", "a/d\u00e9j\u00e0/three.png": b"333"}


NFC, NFD = "real/\u00e9t\u00e9.png", "real/e\u0301te\u0301.png"


def contents(path: Path) -> dict[str, bytes]:
    return dict(read_files(path, list_files(path).sizes))


def write_folder(path: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def write_tar(path: Path, entries: list[tarfile.TarInfo]) -> Path:
    with tarfile.open(path, "w") as archive:
        for entry in entries:
            archive.addfile(entry)
    return path


def tar_entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry


def test_zip_tar_and_folder_hold_the_same(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "folder", FILES)
    assert contents(folder) == FILES
    assert contents(write_zip(tmp_path / "data.zip", FILES)) == FILES
    for kind, suffix in (
        ("tar", "tar"),
        ("gztar", "tar.gz"),
        ("bztar", "tar.bz2"),
        ("xztar", "tar.xz"),
    ):
        shutil.make_archive(str(tmp_path / "data"), kind, folder)
        assert contents(tmp_path / f"data.{suffix}") == FILES, suffix
    packed = zstandard.compress((tmp_path / "data.tar").read_bytes())
    (tmp_path / "data.tar.zst").write_bytes(packed)
    assert contents(tmp_path / "data.tar.zst") == FILES


def test_only_what_is_wanted_is_read(tmp_path: Path) -> None:
    wanted = {"a/one.png", "b/two.png"}
    for path in (
        write_zip(tmp_path / "data.zip", FILES),
        write_folder(tmp_path / "folder", FILES),
        Path(shutil.make_archive(str(tmp_path / "data"), "tar", tmp_path / "folder")),
    ):
        assert {name for name, _ in read_files(path, wanted)} == wanted
        with pytest.raises(InputError, match=r"gone\.png: not here any more"):
            list(read_files(path, {*wanted, "gone.png"}))


def test_sizes_are_known_before_anything_is_read(tmp_path: Path) -> None:
    sizes = {name: len(data) for name, data in FILES.items()}
    folder = write_folder(tmp_path / "folder", FILES)
    shutil.make_archive(str(tmp_path / "data"), "gztar", folder)
    assert list_files(folder).sizes == sizes
    assert list_files(tmp_path / "data.tar.gz").sizes == sizes
    assert list_files(write_zip(tmp_path / "data.zip", FILES)).sizes == sizes


def test_windows_folders_in_a_zip_are_folders(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "data.zip", {"train\\REAL\\1.png": b"1"})
    assert contents(path) == {"train/REAL/1.png": b"1"}


def test_a_windows_zip_may_list_its_folders(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "data.zip", {"real\\": b"", "real\\1.png": b"1"})
    assert contents(path) == {"real/1.png": b"1"}


def test_a_tar_that_holds_a_zip_is_a_tar(tmp_path: Path) -> None:
    files = {"real/a.png": b"1", "z.zip": write_zip(tmp_path / "z.zip", FILES).read_bytes()}
    folder = write_folder(tmp_path / "folder", files)
    path = Path(shutil.make_archive(str(tmp_path / "data"), "tar", folder))
    assert zipfile.is_zipfile(path), "by its last bytes"
    assert contents(path) == files


def test_litter_is_counted_and_may_be_odd(tmp_path: Path) -> None:
    litter = {
        "__MACOSX/real/._1.png": b"",
        "real/.DS_Store": b"",
        "real/Icon\r": b"",
        "real/Thumbs.db": b"",
        "fake/Desktop.ini": b"",
    }
    folder = write_folder(tmp_path / "folder", FILES | litter)
    (folder / ".cache").symlink_to("/etc")
    archive = write_zip(tmp_path / "data.zip", FILES | litter)
    assert list_files(folder).litter == 6
    assert list_files(archive).litter == 5
    assert contents(folder) == contents(archive) == FILES


def encrypted(path: Path) -> Path:
    """Write a zip whose entry says that it is encrypted."""
    write_zip(path, {"a.png": b"1234"})
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    return path


def with_bad_checksum(path: Path) -> Path:
    write_zip(path, {"real/a.png": b"12345678"})
    path.write_bytes(path.read_bytes().replace(b"12345678", b"12345679", 1))
    return path


def cut(path: Path, share: float) -> Path:
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    return path


def packed(tmp_path: Path, kind: str) -> Path:
    """Return an archive of noise, which does not compress."""
    folder = write_folder(tmp_path / "noise", {f"{n}.png": os.urandom(5000) for n in range(9)})
    return Path(shutil.make_archive(str(tmp_path / "noise"), kind, folder))


def zstandard_cut(path: Path) -> Path:
    path.write_bytes(zstandard.compress(os.urandom(50_000)))
    return cut(path, 0.5)


def zstandard_damaged(path: Path) -> Path:
    packed = bytearray(zstandard.compress(os.urandom(50_000)))
    packed[4] ^= 0xFF  # the header of the frame
    path.write_bytes(packed)
    return path


def zip_link(path: Path, name: str = "train/link.png") -> Path:
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    return path


def zip_twice(path: Path) -> Path:
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "w") as archive:
        archive.writestr("real/a.png", "1")
        archive.writestr("real/a.png", "2")
    return path


def write_raw_zip(path: Path, names: list[bytes], utf8: bool = False, extra: bytes = b"") -> Path:
    """Write a zip whose entries are called `names`, with or without the mark of UTF-8.

    Each holds the number of its name. `extra` is the extra field of all of them.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            entry = zipfile.ZipInfo(f"{number:0{len(name)}}")
            entry.extra = extra
            archive.writestr(entry, str(number))
    data = bytearray(path.read_bytes())
    for number, name in enumerate(names):
        stand_in = f"{number:0{len(name)}}".encode()
        for start, flags, place in ((b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)):
            at = -1
            while (at := data.index(start, at + 1)) >= 0:
                if data[at + place : at + place + len(name)] == stand_in:
                    break
            data[at + place : at + place + len(name)] = name
            data[at + flags + 1] |= 0x08 if utf8 else 0
    path.write_bytes(data)
    return path


def folder_with_link(path: Path, target: Path) -> Path:
    write_folder(path, {f"real/{name}": data for name, data in FILES.items()})
    (path / "real/link.png").symlink_to(target)
    return path


def folder_not_utf8(path: Path) -> Path:
    path.mkdir()
    Path(os.fsdecode(bytes(path) + b"/caf\xe9.png")).write_bytes(b"1")
    return path


def folder_with_pipe(path: Path) -> Path:
    write_folder(path, {f"real/{name}": data for name, data in FILES.items()})
    os.mkfifo(path / "real/pipe.png")
    return path


def text(path: Path) -> Path:
    path.write_text("hello")
    return path


def tar_with_damage(path: Path, place: int) -> Path:
    """Write a tar of three files of one block each, with another byte at `place`."""
    files = write_folder(path.with_suffix(""), {f"{name}.png": b"x" * 512 for name in "abc"})
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for file in sorted(files.iterdir()):
            archive.add(file, file.name)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    return path


def gzip_with_damage(path: Path) -> Path:
    """Write a tar.gz whose content is another than its checksum says."""
    plain = tar_with_damage(path.with_suffix(".plain"), 2000).read_bytes()
    packed = bytearray(gzip.compress(plain, mtime=0))
    packed[-8] ^= 1
    path.write_bytes(packed)
    return path


def two_tars(path: Path) -> Path:
    one = write_tar(path, [tar_entry("a.png")]).read_bytes()
    path.write_bytes(one + one)
    return path


BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (lambda t: t / "no.zip", "no.zip: no such file or folder"),
    "no archive": (
        lambda t: text(t / "a.txt"),
        "expected a zip, a tar, a folder or a Parquet file; it may",
    ),
    "cut-off zip": (lambda t: cut(packed(t, "zip"), 0.7), "damaged archive"),
    "cut-off tar": (lambda t: cut(packed(t, "tar"), 0.7), "damaged archive"),
    "cut-off tar.gz": (lambda t: cut(packed(t, "gztar"), 0.7), "damaged archive"),
    "cut-off tar.zst": (lambda t: zstandard_cut(t / "a.tar.zst"), "damaged archive"),
    "tar with a damaged header": (
        lambda t: tar_with_damage(t / "a.tar", 1024 + 10),
        "damaged archive: cut off, or a damaged header",
    ),
    "tar cut off between two files": (
        lambda t: cut(tar_with_damage(t / "a.tar", 2000), 2048 / 10240),
        "damaged archive: cut off, or a damaged header",
    ),
    "tar cut off in a header": (
        lambda t: cut(tar_with_damage(t / "a.tar", 2000), 2148 / 10240),
        "damaged archive: cut off, or a damaged header",
    ),
    "tar.gz with a bad checksum": (
        lambda t: gzip_with_damage(t / "a.tar.gz"),
        "damaged archive: CRC check failed",
    ),
    "two tars in one": (
        lambda t: two_tars(t / "a.tar"),
        "more follows after the end of the archive",
    ),
    "control character in a name": (
        lambda t: write_zip(t / "a.zip", {"real/a\rb.png": b"1"}),
        r"'real/a\rb.png': a name with a control character",
    ),
    "damaged tar.zst": (lambda t: zstandard_damaged(t / "a.tar.zst"), "damaged archive: zstd"),
    "bad checksum": (lambda t: with_bad_checksum(t / "a.zip"), "real/a.png: Bad CRC-32"),
    "encrypted": (lambda t: encrypted(t / "a.zip"), "a.png: encrypted; give an archive without"),
    "twice in a zip": (lambda t: zip_twice(t / "a.zip"), "real/a.png: twice in the archive"),
    "twice in a tar": (
        lambda t: write_tar(t / "a.tar", [tar_entry("real/a.png"), tar_entry("./real/a.png")]),
        "real/a.png: twice in the archive",
    ),
    "step up in a zip": (
        lambda t: write_zip(t / "a.zip", {"train/../../x.png": b"1"}),
        "train/../../x.png: leads out of the data set",
    ),
    "step up in a tar": (
        lambda t: write_tar(t / "a.tar", [tar_entry("../x.png")]),
        "../x.png: leads out of the data set",
    ),
    "absolute in a zip": (
        lambda t: write_zip(t / "a.zip", {"/etc/x.png": b"1"}),
        "/etc/x.png: leads out of the data set",
    ),
    "absolute in a tar": (
        lambda t: write_tar(t / "a.tar", [tar_entry("/etc/x.png")]),
        "/etc/x.png: leads out of the data set",
    ),
    "absolute on Windows": (
        lambda t: write_zip(t / "a.zip", {"C:\\x.png": b"1"}),
        "C:/x.png: leads out of the data set",
    ),
    "link in a zip": (lambda t: zip_link(t / "a.zip"), "train/link.png: a symbolic link"),
    "link in a tar": (
        lambda t: write_tar(t / "a.tar", [tar_entry("l.png", tarfile.SYMTYPE, "/etc/passwd")]),
        "l.png: a link to /etc/passwd; pack with `tar --dereference",
    ),
    "hard link in a tar": (
        lambda t: write_tar(t / "a.tar", [tar_entry("l.png", tarfile.LNKTYPE, "a.png")]),
        "l.png: a link to a.png",
    ),
    "device in a tar": (
        lambda t: write_tar(t / "a.tar", [tar_entry("d.png", tarfile.CHRTYPE)]),
        "d.png: expected a file, found something else",
    ),
    "link out of a folder": (
        lambda t: folder_with_link(t / "f", text(t / "secret.png")),
        "link.png: a symbolic link out of the data set",
    ),
    "link to a folder": (
        lambda t: folder_with_link(t / "f", Path("a")),
        "link.png: a symbolic link to a folder",
    ),
    "dangling link": (
        lambda t: folder_with_link(t / "f", Path("nowhere.png")),
        "link.png: No such file",
    ),
    "pipe in a folder": (
        lambda t: folder_with_pipe(t / "f"),
        "pipe.png: expected a file, found something else",
    ),
    "not UTF-8 in a zip": (
        lambda t: write_raw_zip(t / "a.zip", [b"caf\xe9.png"], utf8=True),
        "caf\\xe9.png: a name that is not UTF-8",
    ),
    "twice but for accents in a zip": (
        lambda t: write_raw_zip(t / "a.zip", [NFC.encode(), NFD.encode()]),
        f"{NFC}: twice, perhaps with composed letters and without (NFC and NFD)",
    ),
    "twice but for accents in a folder": (
        lambda t: write_folder(t / "f", {NFC: b"1", NFD: b"2"}),
        f"{NFC}: twice, perhaps with composed letters and without (NFC and NFD)",
    ),
    "link that may lead to a folder in a zip": (
        lambda t: zip_link(t / "a.zip", "train"),
        "train: a symbolic link; archive the file itself",
    ),
    "not UTF-8 in a tar": (
        lambda t: write_tar(t / "a.tar", [tar_entry("caf\udce9.png")]),
        "caf\\xe9.png: a name that is not UTF-8",
    ),
    "not UTF-8 in a folder": (
        lambda t: folder_not_utf8(t / "f"),
        "caf\\xe9.png: a name that is not UTF-8",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_meant_is_one_sentence_with_the_file(tmp_path: Path, what: str) -> None:
    make, message = BAD[what]
    path = make(tmp_path)
    with pytest.raises(InputError) as error:
        contents(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damage_is_named_for_every_compression(tmp_path: Path, method: int) -> None:
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.png", os.urandom(3000))
    data = bytearray(path.read_bytes())
    data[60:400] = bytes(340)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"data\.zip: a\.png: "):
        contents(path)


def test_links_that_stay_and_links_into_dvcs_cache_are_read(tmp_path: Path) -> None:
    cached = tmp_path / "cache/files/md5/0f/343b0931126a20f133d67c2b018a3b"
    write_folder(cached.parent, {cached.name: flat(1)})
    folder = folder_with_link(tmp_path / "data", cached)
    (folder / "real/inside.png").symlink_to("a/one.png")
    read = contents(folder)
    assert read["real/link.png"] == flat(1)
    assert read["real/inside.png"] == b"1"


def test_names_are_composed_however_they_are_packed(tmp_path: Path) -> None:
    """As macOS writes them, an accent follows its letter."""
    folder = write_folder(tmp_path / "folder", {NFD: b"1", "a.png": b"2"})
    expected = {NFC: b"1", "a.png": b"2"}
    assert contents(folder) == expected
    assert contents(write_zip(tmp_path / "marked.zip", {NFD: b"1", "a.png": b"2"})) == expected
    assert contents(Path(shutil.make_archive(str(tmp_path / "a"), "tar", folder))) == expected
    assert contents(write_raw_zip(tmp_path / "a.zip", [NFD.encode()])) == {NFC: b"0"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"r\x82el/a.png", "r\u00e9el/a.png"),  # é in cp437
        (b"r\x82el\\a.png", "r\u00e9el/a.png"),
        (b"\x84\x94\x81\xe1.png", "\u00e4\u00f6\u00fc\u00df.png"),  # äöüß
        (NFC.encode(), NFC),
        ("\u5199\u771f/1.png".encode(), "\u5199\u771f/1.png"),
    ],
)
def test_a_zips_name_without_a_mark_is_utf8_or_else_cp437(
    tmp_path: Path, name: bytes, expected: str
) -> None:
    path = write_raw_zip(tmp_path / "a.zip", [name, b"plain.png"])
    assert contents(path) == {expected: b"0", "plain.png": b"1"}


def unicode_path(name: bytes, text: bytes, version: int = 1) -> bytes:
    """Return Info-ZIP's extra field: `text` is what an entry called `name` is really called."""
    body = struct.pack("<BI", version, zlib.crc32(name)) + text
    stamp = b"UT" + struct.pack("<HBI", 5, 1, 0)
    return stamp + b"up" + struct.pack("<H", len(body)) + body


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        (unicode_path(b"real/_t_.png", NFD.encode()), NFC),
        (unicode_path(b"another.png", NFD.encode()), "real/_t_.png"),
        (unicode_path(b"real/_t_.png", NFD.encode(), version=2), "real/_t_.png"),
    ],
)
def test_a_zips_name_may_stand_beside_it_in_unicode(
    tmp_path: Path, extra: bytes, expected: str
) -> None:
    assert contents(write_raw_zip(tmp_path / "a.zip", [b"real/_t_.png"], extra=extra)) == {
        expected: b"0"
    }


HARMLESS = [
    "step up in a tar", "absolute in a zip", "absolute on Windows", "control character in a name",
    "not UTF-8 in a tar", "not UTF-8 in a folder", "link in a zip", "link in a tar",
    "hard link in a tar", "device in a tar", "link out of a folder", "dangling link",
    "pipe in a folder", "encrypted", "twice in a zip", "twice in a tar",
    "twice but for accents in a folder",
]  # fmt: skip


@pytest.mark.parametrize("what", HARMLESS)
def test_what_nobody_wants_blocks_nothing_and_is_counted(tmp_path: Path, what: str) -> None:
    path = BAD[what][0](tmp_path)
    listing = list_files(path, matters=lambda name: False)
    assert len(listing.unusable) == 1
    dict(read_files(path, listing.sizes.keys() - {"a.png"}))


@pytest.mark.parametrize("what", ["link to a folder", "link that may lead to a folder in a zip"])
def test_a_link_that_may_lead_to_more_files_always_matters(tmp_path: Path, what: str) -> None:
    make, message = BAD[what]
    with pytest.raises(InputError, match=message):
        list_files(make(tmp_path), matters=lambda name: False)

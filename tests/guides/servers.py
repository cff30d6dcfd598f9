"""Real servers on loopback, each for one folder, for as long as a test needs it."""

import datetime
import getpass
import ipaddress
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SECRETS = {"AWS_ACCESS_KEY_ID": "team", "AWS_SECRET_ACCESS_KEY": "a-secret-of-the-tests"}


@contextmanager
def started(command: list[str], ready: str) -> Iterator[re.Match[str]]:
    """Run `command` until the end of the block; yield the match of `ready` in what it logs."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            log = ""
            assert process.stderr
            for line in process.stderr:
                log += line
                if match := re.search(ready, line):
                    # A server whose log nobody reads stops once the pipe is full.
                    threading.Thread(target=process.stderr.read).start()
                    yield match
                    return
            pytest.fail(f"{' '.join(command)}\n{log}")
        finally:
            process.terminate()


@contextmanager
def ssh(folder: Path, home: Path) -> Iterator[str]:
    """Serve `folder`, which this gives to the server's user; yield the name of that user.

    `home`/.ssh becomes that of a person who may log in as that user at storage.example.org.
    """
    server = next(filter(None, (shutil.which("sshd"), shutil.which("/usr/sbin/sshd"))), None)
    if server is None:
        pytest.skip("no OpenSSH server is installed; on Debian: apt-get install openssh-server")
    # OpenSSH lets in none but its own user when it has no privileges, so it must not be root's.
    user, prefix = getpass.getuser(), []
    if os.getuid() == 0:
        user, prefix = "nobody", ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    keys = home / ".ssh"
    keys.mkdir(parents=True, mode=0o700)
    for name in ("id_ed25519", "host"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(keys / name)]
        subprocess.run(command, check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (keys / "config").write_text(
        f"Host storage.example.org\n  HostName 127.0.0.1\n  Port {port}\n  User {user}\n"
        f"  IdentityFile {keys / 'id_ed25519'}\n"
    )
    settings = {
        "ListenAddress": f"127.0.0.1:{port}",
        "HostKey": folder.parent / "host",
        "AuthorizedKeysFile": folder.parent / "authorized_keys",
        "PidFile": "none",
        "StrictModes": "no",
        "UsePAM": "yes",
        "PasswordAuthentication": "no",
        "Subsystem": "sftp internal-sftp",
    }
    folder.mkdir(parents=True)
    shutil.copy(keys / "host", folder.parent / "host")
    shutil.copy(keys / "id_ed25519.pub", folder.parent / "authorized_keys")
    config = folder.parent / "sshd_config"
    config.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    if prefix:
        for path in (folder.parent, *folder.parent.iterdir()):
            shutil.chown(path, user, "nogroup")
    with started([*prefix, server, "-D", "-e", "-f", str(config)], "Server listening on"):
        yield user


@contextmanager
def s3(folder: Path) -> Iterator[str]:
    """Serve the folders in `folder` as buckets; yield the server's address."""
    keys = f"{SECRETS['AWS_ACCESS_KEY_ID']},{SECRETS['AWS_SECRET_ACCESS_KEY']}"
    command = ["rclone", "serve", "s3", "--addr", "127.0.0.1:0", "--auth-key", keys]
    with started([*command, str(folder)], r"http://127\.0\.0\.1:\d+") as match:
        yield match[0]


@contextmanager
def https(folder: Path, certificate: Path) -> Iterator[str]:
    """Serve the files in `folder`, to read only; yield the server's address.

    `certificate` becomes that of the authority that signs for the server.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(loopback, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private = certificate.with_suffix(".key")
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    command = ["rclone", "serve", "http", "--read-only", "--addr", "127.0.0.1:0"]
    command += ["--cert", str(certificate), "--key", str(private), str(folder)]
    with started(command, r"https://127\.0\.0\.1:\d+") as match:
        yield match[0]

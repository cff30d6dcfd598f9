"""What this machine is, as far as it can decide the bytes of a network."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("tensorflow", "keras", "numpy", "scipy", "h5py", "pillow")
INSTRUCTIONS = ("sse4_1", "avx", "avx2", "fma", "avx512f", "avx512_bf16", "avx512_fp16", "amx_tile")
"""Of an x86 processor, as Linux names them: what kernels of different width ask for."""


def facts() -> dict[str, str]:
    """Return what this machine is, by name."""
    return {
        "processor": _processor(),
        "instructions": " ".join(_instructions()) or "unknown",
        "cores": str(os.cpu_count()),
        "gpus": ", ".join(_gpus()) or "none",
        "system": f"{platform.system()} {platform.machine()}, {' '.join(platform.libc_ver())}",
        "python": platform.python_version(),
        **{library: version(library) for library in LIBRARIES},
    }


def family() -> str:
    """Return the processor's family: within one, networks have come out the same so far."""
    parts = (platform.machine(), _cpuinfo("vendor_id"), _cpuinfo("cpu family"))
    return " ".join(filter(None, parts))


def visible_gpus() -> list[str]:
    """Return the GPUs that there are, as CUDA_VISIBLE_DEVICES names them."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [gpu for gpu in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if gpu]
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True)
    return [str(number) for number, _ in enumerate(listed.stdout.splitlines())]


def _cpuinfo(key: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


def _processor() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _instructions() -> list[str]:
    flags = _cpuinfo("flags").split()
    return [name for name in INSTRUCTIONS if name in flags]


def _gpus() -> list[str]:
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return []
    return listed.stdout.splitlines()

"""What to do on this system about an OpenCL driver that is missing or does not work."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# one driver package per kind of hardware; "cpu" is PoCL, which makes an OpenCL device of any processor
PACKAGES: Mapping[str, Mapping[str, str]] = {
    "debian": {
        "cpu": "sudo apt-get install pocl-opencl-icd",
        "nvidia": "sudo apt-get install nvidia-opencl-icd  (component non-free)",
        "amd": "sudo apt-get install rocm-opencl-icd  (older cards: mesa-opencl-icd with RUSTICL_ENABLE=radeonsi)",
        "intel": "sudo apt-get install intel-opencl-icd",
    },
    "ubuntu": {
        "cpu": "sudo apt-get install pocl-opencl-icd",
        "nvidia": "sudo apt-get install libnvidia-compute-NNN  (NNN: the driver's number, see nvidia-smi)",
        "amd": "sudo apt-get install rocm-opencl-icd  (older cards: mesa-opencl-icd with RUSTICL_ENABLE=radeonsi)",
        "intel": "sudo apt-get install intel-opencl-icd",
    },
    "fedora": {
        "cpu": "sudo dnf install pocl",
        "nvidia": "sudo dnf install xorg-x11-drv-nvidia-cuda  (from RPM Fusion)",
        "amd": "sudo dnf install rocm-opencl  (older cards: mesa-libOpenCL with RUSTICL_ENABLE=radeonsi)",
        "intel": "sudo dnf install intel-compute-runtime",
    },
    "arch": {
        "cpu": "sudo pacman -S pocl",
        "nvidia": "sudo pacman -S opencl-nvidia",
        "amd": "sudo pacman -S rocm-opencl-runtime  (older cards: opencl-mesa with RUSTICL_ENABLE=radeonsi)",
        "intel": "sudo pacman -S intel-compute-runtime",
    },
    "linux": {
        "cpu": "install PoCL with the system's package manager, or `conda install -c conda-forge pocl`",
        "nvidia": "install NVIDIA's driver with its compute part (libnvidia-opencl.so.1)",
        "amd": "install AMD's ROCm OpenCL runtime, or Mesa's rusticl with RUSTICL_ENABLE=radeonsi",
        "intel": "install Intel's compute runtime for OpenCL",
    },
    "windows": {
        "cpu": "install Intel's CPU Runtime for OpenCL Applications (it runs on AMD processors too)",
        "nvidia": "install NVIDIA's display driver: OpenCL is a part of it",
        "amd": "install AMD's display driver (Adrenalin): OpenCL is a part of it",
        "intel": "install Intel's graphics driver: OpenCL is a part of it",
    },
    "macos": {
        "cpu": 'pip install "pyopencl[pocl]", or `conda install -c conda-forge pocl`',
        "nvidia": "macOS brings the OpenCL drivers itself; update the system",
        "amd": "macOS brings the OpenCL drivers itself; update the system",
        "intel": "macOS brings the OpenCL drivers itself; update the system",
    },
}
VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}
NAMES = {"nvidia": "NVIDIA", "amd": "AMD", "intel": "Intel"}
_SPELLINGS = {"nvidia": ("nvidia",), "amd": ("amd", "advanced micro"), "intel": ("intel",)}


def system() -> str:
    """Return which list of packages fits: a key of ``PACKAGES``."""
    if sys.platform == "win32":
        return "windows"
    if sys.platform == "darwin":
        return "macos"
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return "linux"
    names = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    same = {"rhel": "fedora", "centos": "fedora", "archlinux": "arch"}
    return next((same.get(name, name) for name in names if same.get(name, name) in PACKAGES), "linux")


def adapters(root: Path = Path("/sys/bus/pci/devices")) -> list[str]:
    """Return the vendors (keys of ``NAMES``) of the display and compute adapters that the kernel sees; Linux only."""
    found = []
    try:
        for device in sorted(root.iterdir()):
            kind = (device / "class").read_text().strip()
            # 0x03: display controllers, 0x12: processing accelerators
            if kind[:4] in ("0x03", "0x12"):
                vendor = VENDORS.get((device / "vendor").read_text().strip())
                if vendor and vendor not in found:
                    found.append(vendor)
    except OSError:
        pass
    return found


def shut_nodes() -> list[str]:
    """Return the GPU device files that exist and that this user may not open."""
    nodes = [*sorted(Path("/dev/dri").glob("renderD*")), Path("/dev/kfd")]
    return [str(node) for node in nodes if node.exists() and not os.access(node, os.R_OK | os.W_OK)]


def advice(report: Mapping[str, Any]) -> list[str]:
    """Return what to do about each problem in a report of ``cltorch.doctor.collect``, the most useful first."""
    packages = PACKAGES[report["system"]["family"]]
    devices = [device for entry in report["platforms"] for device in entry["devices"]]
    working = [device for device in devices if device["verdict"]["ok"]]
    tips = []
    if report["pyopencl"]["error"]:
        tips.append("PyOpenCL cannot be imported. Reinstall it: python -m pip install --force-reinstall pyopencl")
    if working and not any(device["device"] for device in devices):
        tips.append(
            "A device works but CLTORCH_PLATFORM or CLTORCH_DEVICE excludes it: unset them or name another one."
        )
    if not working:
        folder = report["environment"].get("OCL_ICD_VENDORS") or report["environment"].get("OPENCL_VENDOR_PATH")
        if folder:
            tips.append(
                f"Drivers are looked for in {folder} only, because the environment says so: unset OCL_ICD_VENDORS."
            )
        tips.append(f"To run on this computer's processor: {packages['cpu']}")
        if report["system"]["family"] not in ("windows", "macos") and report["system"]["machine"] == "x86_64":
            tips.append('Or without root, Intel\'s CPU runtime (AMD processors too): pip install "cltorch[intel]"')
    for vendor in report["adapters"]:
        if not any(_is_by(device, vendor) for device in working):
            tips.append(f"{NAMES[vendor]} hardware is present, but no working OpenCL GPU of it: {packages[vendor]}")
            if vendor == "nvidia":
                tips += _container_tips(report)
    for node in report["shut_nodes"]:
        tips.append(f"{node} may not be opened: sudo usermod -aG render,video $USER, then log in again.")
    for driver in report["drivers"]:
        tips += _driver_tips(driver)
    failing = {driver["library"] or driver["file"] for driver in report["drivers"] if driver["error"]}
    late = [entry["library"] for entry in report["left_out"] if entry["stage"] == "timeout"]
    late += ["drivers"] if report["unlisted"] and report["unlisted"]["stage"] == "timeout" else []
    if not failing.issuperset(late):
        tips.append("Drivers did not answer in time. On a slow machine set CLTORCH_PROBE_TIMEOUT to more seconds.")
    for entry in report["platforms"]:
        if "rusticl" in entry["name"].lower() and not entry["devices"] and (report["adapters"] or not working):
            tips.append("rusticl lists a device only when told: RUSTICL_ENABLE=radeonsi, iris, nouveau or llvmpipe.")
        for device in entry["devices"]:
            tips += _device_tips(device, packages)
    if not report["cache"]["writable"]:
        tips.append(
            f"The cache folder {report['cache']['folder']} cannot be written, so each start probes and compiles anew: "
            "set CLTORCH_CACHE to a folder that can."
        )
    return tips


def _is_by(device: Mapping[str, Any], vendor: str) -> bool:
    maker = f"{device['vendor']} {device['name']}".lower()
    return device["kind"] == "gpu" and any(spelling in maker for spelling in _SPELLINGS[vendor])


def _container_tips(report: Mapping[str, Any]) -> list[str]:
    if os.path.exists("/proc/driver/nvidia/version") and not any("nvidia" in d["library"] for d in report["drivers"]):
        return [
            "NVIDIA's kernel driver is loaded but its OpenCL is not registered, as in containers made for CUDA only: "
            "set NVIDIA_DRIVER_CAPABILITIES=compute,utility and write the line libnvidia-opencl.so.1 "
            "into /etc/OpenCL/vendors/nvidia.icd"
        ]
    return []


def _driver_tips(driver: Mapping[str, Any]) -> list[str]:
    what = driver["file"] or driver["library"]
    if driver["error"] and driver["stage"] in ("crash", "timeout"):
        return [f"The driver {driver['library']} aborts or hangs when loaded and is left out. Update or remove {what}."]
    if not driver["library"]:
        return [f"The file {what} names no driver. Reinstall the package that it is of, or remove it."]
    if driver["error"]:
        return [f"The driver {driver['library']} cannot be loaded. Reinstall its package, or remove {what}."]
    return []


def _device_tips(device: Mapping[str, Any], packages: Mapping[str, str]) -> list[str]:
    verdict = device["verdict"]
    if verdict["ok"]:
        return []
    if verdict["stage"] == "timeout":
        return [
            f"{device['name']} did not answer in time. On a slow machine set CLTORCH_PROBE_TIMEOUT to more seconds."
        ]
    if "unknown target CPU" in verdict["log"]:
        return [f"{device['name']}: this PoCL is older than the processor. A newer one: {packages['cpu']}"]
    return [f"{device['name']} ({device['platform']}) is listed but does not work: update its driver."]

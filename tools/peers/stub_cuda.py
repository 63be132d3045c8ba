"""Gives PyTorch's CUDA build stand-ins for the CUDA libraries, so that it imports without them.

The only x86-64 Linux build on PyPI is linked to several GB of libraries that a CPU never calls, but
the dynamic linker wants them and their functions to exist. Here each function is one that reports
failure. The CUDA runtime itself, which start-up code does call, is the real one.
usage: stub_cuda.py FOLDER   (of the installed torch package)
"""
from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

CUDA_LIBRARY = re.compile(r"lib(cu|nv|nccl)")
CUDA_FUNCTION = re.compile(r"(cu|nv|nccl)\w+$")
REAL = re.compile(r"lib(cudart|cuda)\.")  # the driver's libcuda is opened by name, if at all

Versions = dict[str, set[str]]  # version name, or "" for none, to the functions wanted of it


def readelf(flag: str, library: Path) -> str:
    command = ["readelf", "--wide", flag, str(library)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def add_needs(library: Path, wanted: dict[str, Versions], unversioned: set[str]) -> None:
    """Notes which libraries, versions and functions `library` looks for elsewhere."""
    owner: dict[str, str] = {}
    for soname in re.findall(r"NEEDED.*\[(.+)\]", readelf("-d", library)):
        wanted[soname].setdefault("", set())
    current = ""
    for line in readelf("-V", library).splitlines():
        if found := re.search(r"Version: \d+ +File: (\S+)", line):
            current = found[1]
        elif found := re.search(r"Name: (\S+) +Flags", line):
            owner[found[1]] = current
    for symbol in re.findall(r" UND (\S+)", readelf("--dyn-syms", library)):
        name, _, version = symbol.partition("@")
        if version:
            version = version.strip("@")
            wanted[owner.get(version, "")].setdefault(version, set()).add(name)
        elif CUDA_FUNCTION.match(name):
            unversioned.add(name)


def write_stub(soname: str, versions: Versions, folder: Path) -> None:
    with TemporaryDirectory() as scratch:
        names = sorted(set().union(*versions.values()))
        source = Path(scratch, "stub.c")
        source.write_text("".join(f"int {name}(void) {{ return 1; }}\n" for name in names))
        flags = []
        if any(versions):
            script = Path(scratch, "versions")
            script.write_text("".join(
                f"{version} {{ {' '.join(name + ';' for name in sorted(functions))} }};\n"
                for version, functions in versions.items() if version))
            flags = [f"-Wl,--version-script={script}"]
        subprocess.run(["gcc", "-shared", "-fPIC", "-fno-builtin", str(source),
                        f"-Wl,-soname,{soname}", *flags, "-o", str(folder / soname)], check=True)


def main(torch_folder: str) -> None:
    folder = Path(torch_folder, "lib")
    wanted: dict[str, Versions] = defaultdict(dict)
    unversioned: set[str] = set()
    for library in sorted(folder.glob("lib*.so")):
        add_needs(library, wanted, unversioned)
    missing = [soname for soname in sorted(wanted)
               if CUDA_LIBRARY.match(soname) and not REAL.match(soname)]
    for soname in missing:
        if not any(wanted[soname]):  # a function without a version may come from any of these
            wanted[soname][""] |= unversioned
        write_stub(soname, wanted[soname], folder)
        print(f"stub_cuda: {soname}")


if __name__ == "__main__":
    main(sys.argv[1])

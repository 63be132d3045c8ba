"""Which room may include which: read from the octet_room lines of CMakeLists.txt, checked in src."""

import pathlib
import re

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
ROOM = re.compile(r"^octet_room\((\w+)\s+LIBRARIES\s+([^)]*)\)", re.MULTILINE)
SOURCES = (".h", ".cc", ".cu", ".cuh")

# Anyone may throw the public exception; the rest of include/octet belongs to the rooms on top.
PUBLIC_FOR_ALL = {"octet/error.h"}
ROOMS_ON_TOP = {"api", "server", "cli"}


def read_rooms(cmake_text):
    """Room → the rooms below it that it is linked with, through others too, in CMake's order."""
    rooms = {}
    for name, libraries in ROOM.findall(cmake_text):
        below = {name}
        for lower in re.findall(r"\boctet_(\w+)", libraries):
            if lower not in rooms:
                raise ValueError(f"CMakeLists.txt: {name} is linked with {lower}, which no line above names")
            below |= rooms[lower]
        rooms[name] = below
    if not rooms:
        raise ValueError("CMakeLists.txt: no octet_room lines")
    rooms["cli"] = set(rooms) | {"cli"}  # the command is an executable, above every room
    return rooms


def check_include(rooms, room, is_test, target):
    """Why `room` must not include "target", or None."""
    folder = target.split("/")[0] if "/" in target else None
    if folder == "octet":
        if target in PUBLIC_FOR_ALL or room in ROOMS_ON_TOP or is_test:
            return None
        return "the public API is for the rooms on top"
    if folder == "support":
        return None if is_test else "test support is for tests"
    if folder not in rooms:
        return 'not of the form "room/file.h" with a room of CMakeLists.txt'
    if folder not in rooms[room]:
        return f"{folder} does not stand below {room}"
    return None


def wrong_includes(root):
    """Every forbidden include under root/src and root/include, as 'file: "target": why'."""
    root = pathlib.Path(root)
    rooms = read_rooms((root / "CMakeLists.txt").read_text())
    wrong = []
    for path in sorted((root / "src").rglob("*")):
        if path.suffix not in SOURCES:
            continue
        name = path.relative_to(root)
        room = name.parts[1]
        if room not in rooms or len(name.parts) < 3:
            wrong.append(f"{name}: {room} is not a room of CMakeLists.txt")
            continue
        is_test = path.stem.endswith(("_test", "_bench"))
        for target in INCLUDE.findall(path.read_text()):
            reason = check_include(rooms, room, is_test, target)
            if reason:
                wrong.append(f'{name}: "{target}": {reason}')
    for path in sorted((root / "include").rglob("*.h")):
        for target in INCLUDE.findall(path.read_text()):
            if not target.startswith("octet/"):
                wrong.append(f'{path.relative_to(root)}: "{target}": a public header includes no room')
    return wrong

"""Compiles the packages of the environment that runs this: `compile.py CACHE`.

What the same Python has compiled the same source to before is taken from the cache. Bytecode names its source by the
time and the size of the file (PEP 552), which are put in front of it anew, and by a path, which an import puts right.

What cannot be compiled or kept is passed over: packages carry files for other versions of Python, and an import compiles
for itself what it does not find.
"""

import compileall
import importlib.util
import marshal
import os
import py_compile
import sys
import sysconfig
from contextlib import suppress
from hashlib import sha256

# The length of what stands before the code.
HEAD = 16


def tops():
    return sorted({os.path.realpath(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")})


def sources():
    for top in tops():
        for folder, folders, files in os.walk(top):
            folders[:] = [name for name in folders if name != "__pycache__"]
            found = (os.path.join(folder, name) for name in files if name.endswith(".py"))
            # What seeds an environment compiles itself.
            yield from (path for path in found if not os.path.exists(importlib.util.cache_from_source(path)))


def write(path, data):
    """All of it or nothing."""
    new = "{}.{}".format(path, os.getpid())
    try:
        with open(new, "xb") as file:
            file.write(data)
        os.replace(new, path)
    except OSError:
        with suppress(OSError):
            os.unlink(new)


def name_of(source):
    try:
        with open(source, "rb") as file:
            return sha256(file.read()).hexdigest()
    except OSError:
        return "-"


def head(path):
    found = os.stat(path)
    numbers = (0, int(found.st_mtime), found.st_size)
    return importlib.util.MAGIC_NUMBER + b"".join((n & 0xFFFFFFFF).to_bytes(4, "little") for n in numbers)


def take(source, kept):
    """Says whether it was there."""
    try:
        with open(kept, "rb") as file:
            code = file.read()
        # What a loss of power has cut short is none, and an import would not go on without it.
        marshal.loads(code)
        compiled = importlib.util.cache_from_source(source)
        os.makedirs(os.path.dirname(compiled), exist_ok=True)
        write(compiled, head(source) + code)
        return True
    except (OSError, EOFError, TypeError, ValueError):
        return False


def make(source, kept):
    with suppress(OSError, ValueError, RecursionError, MemoryError, py_compile.PyCompileError):
        with open(py_compile.compile(source, doraise=True), "rb") as file:
            write(kept, file.read()[HEAD:])


def make_all(work):
    """As many at once as there are processors."""
    workers = min(len(os.sched_getaffinity(0)), len(work))
    children = []
    for worker in range(1, workers):
        child = os.fork()
        if child == 0:
            try:
                for source, kept in work[worker::workers]:
                    make(source, kept)
            finally:
                os._exit(0)
        children.append(child)
    for source, kept in work[:: workers or 1]:
        make(source, kept)
    for child in children:
        os.waitpid(child, 0)


def main(cache):
    if sys.version_info < (3, 7):
        return [compileall.compile_dir(top, quiet=2) for top in tops()]
    cache = os.path.join(cache, sys.implementation.cache_tag + "-" + importlib.util.MAGIC_NUMBER[:2].hex())
    work, there = [], 0
    for source in sources():
        kept = os.path.join(cache, name_of(source))
        if take(source, kept):
            there += 1
        else:
            work.append((source, kept))
    with suppress(OSError):
        os.makedirs(cache, exist_ok=True)
    make_all(work)
    print("Bytecode of {} files, {} of them compiled before".format(there + len(work), there))


main(sys.argv[1])

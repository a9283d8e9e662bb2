# /// script
# requires-python = ">=3.9"
# dependencies = ["rich>=14"]
# ///
"""Facts about this machine as a table: a script that is run now and then.

Its one dependency stands above (PEP 723), so this file is all that there is.
"""

import os
import platform
import shutil
import time

from rich.console import Console
from rich.table import Table


def size(count):
    """Bytes as people say them."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def facts():
    """Pairs of what and how much, all from this machine itself."""
    disk = shutil.disk_usage("/")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    yield "Name", platform.node()
    yield "System", f"{platform.system()} {platform.release()}"
    yield "Python", platform.python_version()
    yield "Processors", str(os.cpu_count())
    yield "Load", ", ".join(f"{load:.2f}" for load in os.getloadavg())
    yield "Memory", size(memory)
    yield "Disk", f"{size(disk.used)} of {size(disk.total)} used"
    yield "Up for", f"{time.clock_gettime(time.CLOCK_BOOTTIME) / 3600:.1f} hours"


def main():
    table = Table(title="This machine", title_justify="left", show_header=False)
    table.add_column(style="green")
    table.add_column()
    for what, how_much in facts():
        table.add_row(what, how_much)
    Console(force_terminal=True, width=72).print(table)


if __name__ == "__main__":
    main()

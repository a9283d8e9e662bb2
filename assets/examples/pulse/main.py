"""The pulse of this machine: a line every few seconds until somebody asks it to stop."""

import signal
import threading

import psutil

stopped = threading.Event()


def line():
    """Processor and memory now, with a bar for the eye."""
    busy, memory = psutil.cpu_percent(), psutil.virtual_memory().percent
    bar = "█" * round(busy / 5)
    return f"processor {busy:5.1f} % {bar:<20} memory {memory:5.1f} %"


def main():
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    psutil.cpu_percent()
    print("feeling the pulse", flush=True)
    while not stopped.wait(3):
        print(line(), flush=True)
    print("the pulse was felt long enough", flush=True)


if __name__ == "__main__":
    main()

"""The service that every contender runs, in Python: says to the benchmark that it is there, and sleeps."""
import os
import signal
import socket
import sys

with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
    out.sendto(f"{sys.argv[2]} {os.getpid()} first".encode(), sys.argv[1])
while True:
    signal.pause()

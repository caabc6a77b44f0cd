#!/usr/bin/env python3
"""Take TCP connections on a port of this machine, and close them. Ends with the standard input."""
import select
import socket
import sys

listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
listener.setblocking(False)
print("started", flush=True)
while True:
    ready, _, _ = select.select([listener, sys.stdin], [], [])
    if sys.stdin in ready:
        break
    try:
        while True:
            listener.accept()[0].close()
    except BlockingIOError:
        pass

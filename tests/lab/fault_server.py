#!/usr/bin/env python3
"""A service with faults, on a node of the lab: fault_server.py DIR

8080: HTTP; the file DIR/answer says how: fine, 500, body, closed, slow. 8443: always fine, over TLS, with
DIR/cert.pem as it is at that moment. Stopped, it is hung; killed, it refuses.
"""
import os
import socket
import ssl
import sys
import threading
import time

BODIES = {"fine": ("200 OK", "all is fine\n"), "slow": ("200 OK", "all is fine\n"),
          "500": ("500 Oh No", "all is fine\n"), "body": ("200 OK", "something else\n")}


def serve(connection, folder, is_tls):
    try:
        connection.settimeout(3)
        if is_tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(os.path.join(folder, "cert.pem"))
            connection = context.wrap_socket(connection, server_side=True)
        connection.recv(4096)
        with open(os.path.join(folder, "answer"), encoding="utf-8") as f:
            how = "fine" if is_tls else f.read().strip()
        if how == "slow":
            time.sleep(0.35)
        if how in BODIES:
            status, body = BODIES[how]
            connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n"
                               f"Connection: close\r\n\r\n{body}".encode())
    except OSError:
        pass
    finally:
        connection.close()


def listen(port, folder, is_tls):
    listener = socket.create_server(("0.0.0.0", port), backlog=64)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, folder, is_tls), daemon=True).start()


def main():
    threading.Thread(target=listen, args=(8443, sys.argv[1], True), daemon=True).start()
    listen(8080, sys.argv[1], False)


if __name__ == "__main__":
    main()

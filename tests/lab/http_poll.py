#!/usr/bin/env python3
"""A client that asks for a page all the time, and tells when it got none.

usage: http_poll.py URL [PAUSE_MS]
Prints a line of JSON once the first page came, one for each time without an answer, and one for the whole when its standard
input ends (and a page came again, if it does within a few seconds). An outage begins with the last
good answer and ends with the next.
"""
import http.client
import json
import select
import sys
import time
import urllib.parse

TIMEOUT_S = 0.25
LAST_WAIT_S = 5


def ask(host, port, path):
    """Whether a page came."""
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main():
    url = urllib.parse.urlsplit(sys.argv[1])
    pause = float(sys.argv[2]) / 1000 if len(sys.argv) > 2 else 0.01
    while not ask(url.hostname, url.port or 80, url.path or "/"):
        time.sleep(pause)
    print(json.dumps({"started": True}), flush=True)
    answers, failures, longest = 1, 0, 0
    last_good = time.monotonic()
    is_out = False
    end = None
    while end is None or (is_out and time.monotonic() < end):
        if end is None and select.select([sys.stdin], [], [], pause)[0]:
            end = time.monotonic() + LAST_WAIT_S
        if not ask(url.hostname, url.port or 80, url.path or "/"):
            failures += 1
            is_out = True
            continue
        now = time.monotonic()
        answers += 1
        if is_out:
            lasted = (now - last_good) * 1000
            longest = max(longest, lasted)
            print(json.dumps({"outage_ms": round(lasted, 1)}), flush=True)
        last_good, is_out = now, False
    if is_out:
        longest = max(longest, (time.monotonic() - last_good) * 1000)
    print(json.dumps({"answers": answers, "failures": failures,
                      "longest_outage_ms": round(longest, 1), "is_out": is_out}))


if __name__ == "__main__":
    main()

"""The service of the tests stands what browsers do to it: they hang up while a file is on its way."""

import gc
import socket
import struct
import threading
import warnings
from urllib.parse import urlsplit


def test_a_file_is_closed_although_the_browser_hung_up(sqlite_house):
    place, others = urlsplit(sqlite_house.url), set(threading.enumerate())
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        for _ in range(20):  # now and then one is too late: the server waits for more for a hundredth of a second
            line = socket.create_connection((place.hostname, place.port), timeout=10)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            line.sendall(b"GET /static/passkey.js HTTP/1.1\r\nHost: x\r\n\r\n")
            assert line.recv(1)
            line.close()
        wait_for_answers(others)
        gc.collect()
    assert [str(one.message) for one in complaints] == []


def wait_for_answers(others: set[threading.Thread]) -> None:
    """Wait until no thread answers any more; those of `others` may serve a browser that keeps its line."""
    for thread in set(threading.enumerate()) - others:
        if "process_request_thread" in thread.name:
            thread.join()

"""A TCP proxy before a database, one for each daemon: it delays, swallows and resets."""

import contextlib
import socket
import struct
import threading

_CHUNK = 65536
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Listens at a port of its own and passes on to another one; faults hold for all of it."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open = threading.Event()
        self._open.set()
        self._delay = 0.0
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def delay(self, seconds: float) -> None:
        """Hold every piece back for so long, in each direction; 0 ends that."""
        self._delay = seconds

    def blackhole(self) -> None:
        """Take everything, new connections too, and pass on nothing: nobody is told."""
        self._open.clear()

    def heal(self) -> None:
        """Pass on what was swallowed, and all that follows."""
        self._delay = 0.0
        self._open.set()

    def reset(self) -> None:
        """End every connection as if the other side's machine had been started anew."""
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for one in sockets:
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                one.shutdown(socket.SHUT_RD)  # wakes the thread that reads it
            with contextlib.suppress(OSError):
                one.close()

    def close(self) -> None:
        """Stop listening, and end every connection."""
        self._closed.set()
        self._open.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.reset()

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        self._open.wait()
        try:
            far = socket.create_connection(("127.0.0.1", self._target), timeout=10)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        for one in (near, far):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._sockets |= {near, far}
        threading.Thread(target=self._pump, args=(near, far), daemon=True).start()
        self._pump(far, near)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                self._closed.wait(self._delay)
                self._open.wait()
                sink.sendall(data)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        with self._lock:
            self._sockets -= {source, sink}

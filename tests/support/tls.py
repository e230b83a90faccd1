"""A server that completes TLS handshakes and nothing else, and certificates for it.

`valid` and `expired` are certificates for `localhost` and 127.0.0.1, signed by `authority`. `valid`
is valid until 2120. `stranger` is a different authority. The keys are used in tests only.
"""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MISNAMED = "127.0.0.2"
"""An address of this machine that is in no certificate."""
FOLDER = Path(__file__).parent / "certificates"


def certificate(name: str) -> str:
    return str(FOLDER / f"{name}.pem")


@contextmanager
def tls_server(name: str, host: str = "127.0.0.1") -> Iterator[str]:
    """Yield the address of a server with the certificate `name`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(name))
    with socket.create_server((host, 0)) as server:
        threading.Thread(target=_serve, args=(server, context), daemon=True).start()
        yield f"{host}:{server.getsockname()[1]}"


def _serve(server: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return
        with client, suppress(OSError):
            context.wrap_socket(client, server_side=True).close()

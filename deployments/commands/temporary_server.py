"""The Prefect server that Prefect starts for one process: it ends with that process, however that ends.

Prefect stops it in an `atexit` function, which SIGKILL and the out-of-memory killer skip. A shell waits for the end of
a pipe whose other end only this process holds: the kernel closes it in any case.
"""

import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect.server.api.server import SubprocessASGIServer

STOP_AT_END_OF_INPUT = 'read -r _; kill "$1" 2>/dev/null'
STOP_TIMEOUT_S = 5.0


def end_with_this_process() -> "SubprocessASGIServer":
    """Let the temporary server of this process, which is not started here, end with the process.

    Returns:
        The object that Prefect gets when it asks for its temporary server (`SubprocessASGIServer` keeps one per port).
    """
    from prefect.server.api.server import SubprocessASGIServer

    class WatchedServer(SubprocessASGIServer):
        watchers: list[subprocess.Popen[bytes]]

        def _run_uvicorn_command(self) -> subprocess.Popen[Any]:
            server = super()._run_uvicorn_command()
            command = ["/bin/sh", "-c", STOP_AT_END_OF_INPUT, "sh", str(server.pid)]
            watcher = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)  # noqa: S603 - literal
            self.watchers = [*getattr(self, "watchers", ()), watcher]
            return server

        def stop(self) -> None:
            super().stop()
            for watcher in getattr(self, "watchers", ()):
                watcher.kill()  # before its input ends: another process may have the number of the server by then
                watcher.wait(STOP_TIMEOUT_S)
            self.watchers = []

    return WatchedServer()

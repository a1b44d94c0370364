"""The temporary Prefect server of one process ends with that process, also after SIGKILL.

Prefect starts the server if PREFECT_API_URL is not set, and stops it in an `atexit` function, which SIGKILL and the
out-of-memory killer skip. A shell reads from a pipe that only this process can write to: the kernel closes the pipe
when the process ends, and the shell then stops the server.
"""

import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect.server.api.server import SubprocessASGIServer

STOP_AT_END_OF_INPUT = 'read -r _; kill "$1" 2>/dev/null'
STOP_TIMEOUT_S = 5.0


def end_with_this_process() -> "SubprocessASGIServer":
    """Make the temporary server that Prefect starts later end with this process. Nothing is started here.

    Returns:
        The server object that Prefect uses from now on: `SubprocessASGIServer` keeps one instance per port.
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

"""The Prefect server and UI of `nightcast up`, on 127.0.0.1 and closed to other users and other web pages.

`python -m deployments.server.prefect_server PORT`. By default Prefect answers everyone, any Host header and any origin,
so any user of this machine, and any page open in a browser on it, could start deployments. This server checks Host and
Origin on every route, and its API wants a key and a CSRF token.
"""

import os
import sys

import uvicorn
from prefect.server.api.server import create_app
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount

import deployments.server.notifications  # noqa: F401 - registers the default notification block
from deployments.process_environment import variable
from deployments.server.origin_guard import OriginGuard
from deployments.server.prefect_server_settings import HOST
from deployments.server.reports_app import SERVED_PATHS, ReportsApp


def main(port: int) -> None:
    """Serve on `port` until SIGTERM."""
    if not variable("PREFECT_SERVER_API_AUTH_STRING"):
        raise SystemExit("PREFECT_SERVER_API_AUTH_STRING is not set: start this server with nightcast up.")
    os.umask(0o077)  # the database and all that lies next to it
    app = create_app(final=True)
    for folder in SERVED_PATHS:  # before the UI, which takes all other paths
        app.router.routes.insert(0, Mount(f"/{folder}", app=ReportsApp(folder)))
    hosts = [HOST, "localhost"]
    guarded = TrustedHostMiddleware(OriginGuard(app, hosts), allowed_hosts=hosts)
    uvicorn.run(guarded, host=HOST, port=port, log_level="warning", timeout_graceful_shutdown=5, server_header=False)


if __name__ == "__main__":
    main(int(sys.argv[1]))

"""The Prefect server and UI of `nightcast up`, on 127.0.0.1 and closed to other web pages.

`python -m deployments.server.prefect_server PORT`. By default Prefect answers any Host header and any origin, so a page
open in a browser on this machine could start deployments. This server checks both and requires a CSRF token.
"""

import sys

import uvicorn
from prefect.server.api.server import create_app
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount

import deployments.server.notifications  # noqa: F401 - registers the default notification block
from deployments.server.prefect_server_settings import HOST
from deployments.server.reports_app import ReportsApp


def main(port: int) -> None:
    """Serve on `port` until SIGTERM."""
    app = create_app(final=True)
    app.router.routes.insert(0, Mount("/reports", app=ReportsApp()))  # before the UI, which takes all other paths
    guarded = TrustedHostMiddleware(app, allowed_hosts=[HOST, "localhost"])
    uvicorn.run(guarded, host=HOST, port=port, log_level="warning", timeout_graceful_shutdown=5, server_header=False)


if __name__ == "__main__":
    main(int(sys.argv[1]))

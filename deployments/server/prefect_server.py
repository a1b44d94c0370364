"""The Prefect server and UI of `nightcast up`: on 127.0.0.1, for pages of its own and of nobody else.

`python -m deployments.server.prefect_server PORT`. By itself Prefect answers any Host and any origin, so any page that is open
in a browser on this machine could start deployments; here both are checked, and requests need a CSRF token.
"""

import sys

import uvicorn
from prefect.server.api.server import create_app
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount

import deployments.server.notifications  # noqa: F401 - the block that automations write to, if the user has none
from deployments.server.prefect_server_settings import HOST
from deployments.server.reports_app import ReportsApp


def main(port: int) -> None:
    """Serve until told to stop."""
    app = create_app(final=True)
    app.router.routes.insert(0, Mount("/reports", app=ReportsApp()))  # before the UI, which takes all paths
    guarded = TrustedHostMiddleware(app, allowed_hosts=[HOST, "localhost"])
    uvicorn.run(guarded, host=HOST, port=port, log_level="warning", timeout_graceful_shutdown=5, server_header=False)


if __name__ == "__main__":
    main(int(sys.argv[1]))

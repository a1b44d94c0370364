"""Whether this code runs inside a Prefect flow or task run. Without Prefect, which is not imported, it does not."""

import sys


def in_flow_run() -> bool:
    """Return whether a flow run of Prefect is active in this context."""
    if "prefect" not in sys.modules:  # importing it takes seconds
        return False
    from prefect.context import FlowRunContext

    return FlowRunContext.get() is not None


def in_task_run() -> bool:
    """Return whether a task run of Prefect is active in this context."""
    if "prefect" not in sys.modules:
        return False
    from prefect.context import TaskRunContext

    return TaskRunContext.get() is not None

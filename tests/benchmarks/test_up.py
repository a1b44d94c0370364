"""`nightcast up`: seconds until the UI and all deployments are served, and memory of all its processes."""

import functools
import statistics
import threading
import time

import httpx
import psutil
import pytest

from tests.deployments.conftest import Up, small_world, until

pytestmark = pytest.mark.benchmark


def memory(stack):
    """Return MiB of all processes: PSS, which counts shared pages once, or RSS if the system has no PSS."""
    family = [psutil.Process(stack.process.pid), *stack.family()]
    return sum(getattr(process.memory_full_info(), "pss", process.memory_info().rss) for process in family) / 2**20


def served(stack):
    page = httpx.get(f"http://127.0.0.1:{stack.ports[0]}/", follow_redirects=True)
    return page.is_success and "<title>" in page.text


def test_startup_time_and_memory(tmp_path):
    measurements = []
    for attempt in range(3):
        stack = Up(small_world(tmp_path / str(attempt), "small", end="2024-01-31"))
        begun = time.monotonic()
        starting = threading.Thread(target=stack.start)
        starting.start()
        until(functools.partial(served, stack), 120)
        ui = time.monotonic() - begun
        starting.join()
        ready = time.monotonic() - begun
        time.sleep(5)
        measurements.append((ui, ready, memory(stack)))
        stack.stop()
    ui, ready, mib = (statistics.median(column) for column in zip(*measurements, strict=True))
    print(f"\nnightcast up, medians of 3: UI served after {ui:.1f} s, all ready after {ready:.1f} s, {mib:,.0f} MiB")

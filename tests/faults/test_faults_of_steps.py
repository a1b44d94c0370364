"""A step that dies, is interrupted, raises or returns nonsense."""

import importlib
import os
import signal
import threading
import time

import pytest

from tests.faults.scenario import Fault, params, survives
from tests.flows.runs.test_kills import STEPS as NEEDED_STEPS

STEPS = NEEDED_STEPS | {"revisions": "list_revisions", "memory": "draw_memory"}
REQUIRED = ("ingest", "validate", "cut_windows", "forecast")


def replace_work(step_name, make):
    """Return an injection that replaces the function of a step by make(function)."""
    module = next(module for module, name in STEPS.items() if name == step_name)

    def inject():
        step = getattr(importlib.import_module(f"tasks.{module}"), step_name)
        step.fn = make(step.fn)

    return lambda _world: inject


def die_after(work):
    def die(**inputs):
        work(**inputs)
        os.kill(os.getpid(), signal.SIGKILL)

    return die


def signalled(number):
    def make(work):
        def receive(**inputs):
            result = work(**inputs)
            os.kill(os.getpid(), number)
            time.sleep(30)  # the signal arrives
            return result

        return receive

    return make


def raising(error):
    def make(_work):
        def fail(**_inputs):
            raise error

        return fail

    return make


def nan_loss(_world):
    def inject():
        import torch

        from models.networks.recurrent import RecurrentNetwork

        loss = RecurrentNetwork.loss
        RecurrentNetwork.loss = lambda network, batch: loss(network, batch) * torch.nan

    return inject


def no_threads(_world):
    """The heartbeat of the lease cannot start a thread."""

    def inject():
        def refuse(_thread):
            raise RuntimeError("can't start new thread")

        threading.Thread.start = refuse

    return inject


FAULTS = [
    *(Fault(f"killed in {step}", (-9,), inject=replace_work(step, die_after)) for step in STEPS.values()),
    *(
        Fault(f"SIGTERM in {step}", (1,), ("SIGTERM", step), inject=replace_work(step, signalled(signal.SIGTERM)))
        for step in STEPS.values()
    ),
    Fault("SIGINT in train", (1,), ("SIGINT",), inject=replace_work("train", signalled(signal.SIGINT))),
    Fault("SIGHUP in forecast", (1,), ("SIGHUP",), inject=replace_work("forecast", signalled(signal.SIGHUP))),
    *(
        Fault(f"{step} raises", (1,) if step in REQUIRED else (0,), ("it broke",), inject=replace_work(step, raising(RuntimeError("it broke"))))
        for step in STEPS.values()
    ),
    Fault("train runs out of memory", (0,), ("memory",), inject=replace_work("train", raising(MemoryError()))),
    Fault("evaluate runs out of memory", (0,), ("memory",), inject=replace_work("evaluate", raising(MemoryError()))),
    Fault("forecast runs out of memory", (1,), ("memory",), inject=replace_work("forecast", raising(MemoryError()))),
    Fault("watch_drift exits", (0,), inject=replace_work("watch_drift", raising(OSError("/usr/share/fonts is gone")))),
    Fault("loss of training is NaN", (0,), ("not finite",), inject=nan_loss),
    Fault("threads cannot be started", (1,), ("thread",), inject=no_threads),
]  # fmt: skip


@pytest.mark.parametrize("fault", params(FAULTS, ("killed in train", "SIGTERM in train", "watch_drift raises")))
def test_night_survives(fault, world, undisturbed, report_fault):
    wrong, ended, again = survives(fault, world, undisturbed)
    report_fault(fault, ended, again)
    assert wrong == []

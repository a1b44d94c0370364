"""`nightcast up` on a busy port names the process, and a command with ports that are free."""

import os
import re
import socket

import pytest

from deployments.local_stack.up import PortBusy, Ports, _is_free, _require_free_ports


def test_busy_port_is_named_with_its_process_and_free_ports() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortBusy, match=rf"port {port} is used by process {os.getpid()} ") as busy:
            _require_free_ports(Ports(port, port))
        advised = [int(number) for number in re.findall(r"port (\d+)", str(busy.value).partition("choose")[2])]
        assert len(set(advised) - {port}) == 2
        assert all(map(_is_free, advised))
        assert str(busy.value).endswith(f"nightcast up --port {advised[0]} --mlflow-port {advised[1]}")


def test_free_ports_are_accepted() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    _require_free_ports(Ports(port, None))

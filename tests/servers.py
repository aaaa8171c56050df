"""Starts a server of another program for tests."""

import socket
import subprocess
import time


def start_server(command, answers, **options):
    """Start a server on a free port of this machine and wait until it answers.

    Another program can take the port before the server opens it. The server ends then, and the next port is tried.

    Args:
        command: a function that gives the command line for a port.
        answers: a function that says if the server on a port answers.
        options: what :class:`subprocess.Popen` takes.

    Returns:
        The process and its port.
    """
    for _ in range(5):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = subprocess.Popen(command(port), **options)
        try:
            while process.poll() is None:
                if answers(port):
                    return process, port
                time.sleep(0.1)
        except BaseException:  # the time limit of a test also
            process.kill()
            process.wait()
            raise
    raise AssertionError(f"{command(port)[0]} ended with exit code {process.returncode}")

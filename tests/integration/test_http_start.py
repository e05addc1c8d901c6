"""How the service starts, refuses to start, and ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import httpx
import pytest
from http_service import DEADLINE_S, EVENTS, JOBSIGHT, NDJSON, environment, jobsight, service, until

BEAT = {"type": "heartbeat", "job_id": "a"}
INSECURE = "--insecure-no-auth"


def start_refused(folder: Path, *arguments: object, **further: str) -> tuple[int, str]:
    """Exit code and stderr of a service that should not start."""
    done = jobsight("serve", "--data", folder / "data", *arguments, **further)
    return done.returncode, done.stderr


# ------------------------------------------------------------------------------------------------------------ addresses


def test_an_address_in_use_is_said(tmp_path: Path) -> None:
    """Exit code 69, the port, and another one to try; the data folder is not touched."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = start_refused(tmp_path, "--listen", f"127.0.0.1:{port}")

    assert 69 == code
    assert f"port {port} of 127.0.0.1 is in use" in said
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("address", ["192.0.2.1:8787", "no-such-host.invalid:8787"])
def test_an_address_that_is_not_ours_is_said(tmp_path: Path, address: str) -> None:
    """Exit code 78, before any data is touched."""
    code, said = start_refused(tmp_path, "--listen", address, INSECURE)

    assert 78 == code
    assert address.partition(":")[0] in said
    assert not (tmp_path / "data").exists()


def test_two_services_never_share_a_folder(tmp_path: Path) -> None:
    """Exit code 69 names the process that holds it; the first one serves on, control socket and all."""
    with service(tmp_path) as running:
        code, said = start_refused(tmp_path, "--listen", "127.0.0.1:0")
        with running.control() as client:
            alive = client.post(EVENTS, json=BEAT).status_code

    assert (69, 200) == (code, alive)
    assert f"process {running.process.pid}" in said


# ------------------------------------------------------------------------------------------------------- configuration


def test_everything_that_is_wrong_is_said_at_once_and_nothing_is_touched(tmp_path: Path) -> None:
    """Each fault has its file, its line and the nearest valid name."""
    file = tmp_path / "jobsight.toml"
    file.write_text(
        '[server]\nlissten = "127.0.0.1:1"\nlisten = "nowhere"\n\n[server.limits]\nconnections = 0\n\n[jbos]\nmax_retries = 3\n'
    )
    code, said = start_refused(tmp_path, "--config", file, JOBSIGHT_LISTN="x", JOBSIGHT_JOBS_SILENCE="later")

    assert 78 == code
    for fault in (
        f"{file}, line 2: server.lissten: there is no such setting; did you mean server.listen?",
        f"{file}, line 3: server.listen: expected HOST:PORT",
        f"{file}, line 6: server.limits.connections: expected a whole number from 1 to 100000, got 0",
        f"{file}, line 8: jbos: there is no such setting; did you mean jobs?",
        "JOBSIGHT_LISTN: there is no such variable; did you mean JOBSIGHT_LISTEN?",
        "JOBSIGHT_JOBS_SILENCE: jobs.silence: expected a duration such as",
    ):
        assert fault in said
    assert not (tmp_path / "data").exists()
    assert (
        said.splitlines()
        == jobsight("config", "validate", file, JOBSIGHT_LISTN="x", JOBSIGHT_JOBS_SILENCE="later").stderr.splitlines()
    )


def test_a_setting_of_jobs_holds_for_the_reports(tmp_path: Path) -> None:
    """The retry limit of the file decides, and a change holds from the next start on."""
    failed = {"type": "job_failed", "job_id": "j", "retries": 1}
    with service(tmp_path, config="[jobs]\nmax_retries = 3\n") as running:
        first = running.post(failed).json()["type"]
    with service(tmp_path, config="[jobs]\nmax_retries = 1\n") as running:
        second = running.post(failed).json()["type"]

    assert ("failure_recorded", "alert_sent") == (first, second)


# ---------------------------------------------------------------------------------------------------------------- start


def test_the_command_that_it_prints_works(tmp_path: Path) -> None:
    """The first thing that a newcomer pastes into a shell."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    with service(tmp_path) as running:
        command = re.search(r"try: (.+)", running.said())
        assert command is not None
        printed = subprocess.run(command[1], shell=True, capture_output=True, text=True, timeout=DEADLINE_S)
        token = running.create_token("ingest")
    with service(tmp_path) as running:
        command = re.search(r"try: (.+)", running.said())
        assert command is not None
        guarded = subprocess.run(
            command[1],
            shell=True,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            env=environment(JOBSIGHT_TOKEN=token),
        )

    expected = {"type": "status_updated", "job_id": "job-1", "status": "running", "progress": 25}
    assert expected == json.loads(printed.stdout)
    assert expected == json.loads(guarded.stdout)


def test_a_control_socket_that_a_killed_process_has_left_is_replaced(tmp_path: Path) -> None:
    """A start after a crash needs no cleaning up."""
    with service(tmp_path) as running:
        running.post(BEAT)
        running.process.kill()
        running.process.wait(DEADLINE_S)
        assert (running.data / "control.sock").exists()
    with service(tmp_path) as running:
        assert 1 == running.stats()["total"]


def test_a_folder_with_a_long_path_has_a_control_socket_as_well(tmp_path: Path) -> None:
    """The address of a Unix socket holds about a hundred bytes; a path may be longer."""
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    with service(folder) as running:
        made = jobsight("token", "create", "--scope", "read", "--data", running.data)

    assert made.stdout.startswith("js_read_"), made.stderr


def test_it_speaks_https_with_the_certificate_that_it_is_given(tmp_path: Path) -> None:
    """And refuses plain HTTP there; the control socket needs no TLS."""
    certificate, key = self_signed(tmp_path)
    with service(tmp_path, "--tls-cert", certificate, "--tls-key", key) as running:
        trusted = ssl.create_default_context(cafile=str(certificate))
        with httpx.Client(base_url=running.url, verify=trusted, trust_env=False) as client:
            answers = [client.post(EVENTS, json=BEAT), client.post(EVENTS, content=b"x\n" * 1000, headers=NDJSON)]
        with pytest.raises(httpx.HTTPError):
            httpx.get(running.url.replace("https", "http") + "/healthz", trust_env=False)
        in_folder = running.stats()["total"]

    assert running.url.startswith("https://")
    assert [200, 200] == [one.status_code for one in answers]
    assert 1000 == answers[1].text.count('"code": 12')
    assert 1 == in_folder
    assert f"--cacert {certificate}" in running.said()


@pytest.mark.parametrize("broken", ["certificate", "key", "alone"])
def test_a_certificate_that_cannot_be_used_is_a_matter_of_configuration(tmp_path: Path, broken: str) -> None:
    """Exit code 78, before any data is touched."""
    certificate, key = self_signed(tmp_path)
    if broken != "alone":
        {"certificate": certificate, "key": key}[broken].write_text("nonsense")
    keys = [] if broken == "alone" else ["--tls-key", key]
    code, said = start_refused(tmp_path, "--listen", "127.0.0.1:0", "--tls-cert", certificate, *keys)

    assert 78 == code
    assert "server.tls_key" in said
    assert not (tmp_path / "data").exists()


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=DEADLINE_S)
    return certificate, key


# ------------------------------------------------------------------------------------------------------------------ end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_answered_is_found_again_after_a_signal_under_load(tmp_path: Path, number: int) -> None:
    """Single reports and a stream that is still open: what was taken is answered, then the process ends with 0."""
    answered: set[str] = set()
    with service(tmp_path) as running:

        def report(worker: int) -> None:
            with running.client() as client:
                for count in range(100_000):
                    job_id = f"single-{worker}-{count}"
                    try:
                        if client.post(EVENTS, json={**BEAT, "job_id": job_id}).status_code == 200:
                            answered.add(job_id)
                    except httpx.HTTPError:
                        return

        workers = [threading.Thread(target=report, args=(worker,)) for worker in range(4)]
        for worker in workers:
            worker.start()
        raw = running.connect()
        raw.send(
            f"POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        lines = [f'{{"type":"heartbeat","job_id":"stream-{count}"}}\n' for count in range(500)]
        data = "".join(lines).encode()
        raw.send(b"%x\r\n%s\r\n" % (len(data), data))
        raw.receive_until(b"stream-499")
        until(lambda: len(answered) > 50, "some answers")
        code = running.stop(number)
        rest = raw.receive_rest()
        raw.close()
        for worker in workers:
            worker.join(DEADLINE_S)
    answered.update(f"stream-{count}" for count in range(500))
    listed = jobsight("log", "cat", "--data", tmp_path / "data").stdout
    logged = set(re.findall(r'"job_id": ?"([^"]+)"', listed))

    assert 0 == code, running.said()
    assert rest.endswith(b"0\r\n\r\n")
    assert set() == answered - logged
    assert "Traceback" not in running.said()


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """Somebody who does not take his answers is not waited for twice."""
    with service(tmp_path) as running:
        raw = running.connect()
        raw.send(
            f"POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n".encode()
        )
        until(lambda: connections_of(running.process.pid) >= 2, "the connection")
        running.process.send_signal(signal.SIGTERM)
        until(lambda: refuses_connections(running.port), "it to stop listening")
        running.process.send_signal(signal.SIGTERM)
        code = running.process.wait(3)
        raw.close()

    assert 128 + signal.SIGTERM == code


def connections_of(pid: int) -> int:
    """Sockets that a process has open, beside those on which it listens."""
    links = [os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()]
    return sum(link.startswith("socket:") for link in links) - 1


def refuses_connections(port: int) -> bool:
    """Whether nobody listens there any more."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return True
    return False


def test_an_idle_client_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """Kept connections are closed, and the process ends within seconds."""
    with service(tmp_path) as running, running.client() as client:
        client.get("/healthz")
        running.process.terminate()

        assert 0 == running.process.wait(5)


def test_a_start_says_where_its_data_lies(tmp_path: Path) -> None:
    """Nobody has to look for the folder that a backup needs, nor wonder whose tokens these are."""
    with service(tmp_path) as running:
        said = running.said()

    assert f"jobsight: data in {tmp_path / 'data'}\n" in said


def test_the_data_folder_of_the_environment_is_taken(tmp_path: Path) -> None:
    """`JOBSIGHT_DATA` names it for the service as for every other command."""
    shown = jobsight("config", "show", "--origin", JOBSIGHT_DATA=str(tmp_path / "named"))

    assert re.search(rf'^data\.dir = "{tmp_path}/named" +# JOBSIGHT_DATA$', shown.stdout, re.MULTILINE)
    assert JOBSIGHT

"""The loop's thread, the workers, the listeners and the certificates."""

import asyncio
import os
import socket
import ssl
import subprocess
import sys
import threading
import warnings

import pytest
import trustme

from mailtrap.errors import ConfigError, MailtrapError, PortInUse
from mailtrap.net.certificates import Certificates
from mailtrap.net.listeners import bind
from mailtrap.net.loop import LoopThread
from mailtrap.net.workers import Workers

WAIT = 20


@pytest.fixture
def thread():
    thread = LoopThread()
    thread.start()
    yield thread
    assert thread.stop()


# ---------------------------------------------------------------- the loop


def test_start_and_stop_are_idempotent():
    thread = LoopThread()
    assert thread.stop()
    thread.start()
    first = thread.loop
    thread.start()
    assert thread.loop is first
    assert thread.running
    assert thread.stop()
    assert thread.stop()
    assert not thread.running
    assert first.is_closed()
    with pytest.raises(MailtrapError, match="stopped"):
        thread.call_soon(print)
    thread.post(print)
    thread.start()
    assert thread.running
    assert thread.stop()


def test_its_thread_has_a_name_and_is_a_daemon(thread):
    async def who():
        return threading.current_thread()

    found = thread.call(who())
    assert found.name == "mailtrap"
    assert found.daemon
    assert found.ident == thread.ident


def test_call_gives_results_and_exceptions(thread):
    async def fails():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        thread.call(fails())
    with pytest.raises(TimeoutError):
        thread.call(asyncio.sleep(3600), timeout=0.01)


def test_not_running():
    with pytest.raises(MailtrapError, match="not running"):
        LoopThread().call(asyncio.sleep(0))


def test_stop_is_bounded_and_cancels_tasks():
    thread = LoopThread()
    thread.start()
    began, stuck, release = threading.Event(), threading.Event(), threading.Event()

    async def work():
        began.set()
        try:
            await asyncio.sleep(3600)
        finally:
            stuck.set()

    future = asyncio.run_coroutine_threadsafe(work(), thread.loop)
    assert began.wait(WAIT)
    thread.call_soon(release.wait, WAIT)
    assert not thread.stop(0.01)
    release.set()
    assert thread.stop()
    assert stuck.is_set()
    assert future.cancelled()


def test_posts_from_many_threads_all_arrive_in_order(thread):
    got, all_there = {number: [] for number in range(8)}, threading.Event()

    def take(number, value):
        got[number].append(value)
        if all(len(values) == 200 for values in got.values()):
            all_there.set()

    def post(number):
        for value in range(200):
            thread.post(take, number, value)

    threads = [threading.Thread(target=post, args=(number,)) for number in got]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert all_there.wait(WAIT)
    assert all(values == list(range(200)) for values in got.values())


def test_an_exception_in_a_callback_is_told_and_the_loop_lives():
    told = []
    thread = LoopThread(told.append)
    thread.start()
    done = threading.Event()
    thread.call_soon(lambda: 1 / 0)
    thread.post(lambda: 1 / 0)
    thread.call_soon(sys.exit, "no")
    thread.post(sys.exit, "never")
    thread.post(done.set)
    assert done.wait(WAIT)
    assert thread.stop()
    assert sorted(type(error).__name__ for error in told) == ["SystemExit"] * 2 + ["ZeroDivisionError"] * 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_is_told_and_touches_nothing(thread):
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # a fork with threads: that is the point
        pid = os.fork()
    if pid == 0:
        said = b"nothing"
        try:
            thread.call_soon(print)
        except MailtrapError as error:
            said = str(error).encode()
        if not thread.stop() or thread.running:
            said = b"stop failed"
        os.write(write, said)
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        assert b"before the process forked" in pipe.read()
    assert thread.call(asyncio.sleep(0, "alive")) == "alive"


# ---------------------------------------------------------------- workers


def test_workers_are_bounded_and_kept():
    workers, names, gate = Workers(3), set(), threading.Barrier(3)
    done = threading.Semaphore(0)

    def work():
        names.add(threading.current_thread().name)
        gate.wait(WAIT)

    for _ in range(6):
        workers.run(work, (), lambda value, error: done.release())
    for _ in range(6):
        assert done.acquire(timeout=WAIT)
    assert names == {"mailtrap-worker-1", "mailtrap-worker-2", "mailtrap-worker-3"}
    assert workers.stop(WAIT)


def test_stopped_workers_finish_what_was_given_and_take_nothing_more():
    workers, go_on, got = Workers(1), threading.Event(), []
    for number in range(3):
        workers.run(lambda number=number: go_on.wait(WAIT) and number, (), lambda value, error: got.append(value))
    assert not workers.stop(0.01)
    workers.run(print, (), lambda value, error: got.append(error))
    assert isinstance(got.pop(), RuntimeError)
    go_on.set()
    assert workers.stop(WAIT)
    assert got == [0, 1, 2]


# ---------------------------------------------------------------- listeners


def test_a_busy_port_names_the_listener_and_the_port():
    with bind("imap", "127.0.0.1", 0) as sock:
        port = sock.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"imaps: port {port} on 127\.0\.0\.1 is in use") as caught:
            bind("imaps", "127.0.0.1", port)
    assert isinstance(caught.value, OSError)
    with bind("imaps", "127.0.0.1", port):
        pass


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.77", "bad host", "x" * 300, "a..b"])
def test_a_host_that_is_not_ours(host):
    with pytest.raises(ConfigError, match="smtp cannot listen on"):
        bind("smtp", host, 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "0.0.0.0", "::", ""])
def test_hosts(host):
    if ":" in host and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    with bind("smtp", host, 0) as sock:
        port = sock.getsockname()[1]
        target = "::1" if host == "::1" else "127.0.0.1"
        with socket.create_connection((target, port), WAIT):
            pass


# ---------------------------------------------------------------- certificates


def handshake(server_context, client_context, name):
    here, there = socket.socketpair()
    here.settimeout(WAIT)
    there.settimeout(WAIT)
    failures = []

    def serve():
        try:
            with server_context.wrap_socket(there, server_side=True) as tls:
                tls.recv(1)
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client_context.wrap_socket(here, server_hostname=name) as tls:
            return tls.getpeercert(), tls.version()
    finally:
        here.close()
        thread.join()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "mail.example"])
def test_a_made_certificate_holds_for_every_name(certificates, name):
    certificate, version = handshake(certificates(), certificates.client_context(), name)
    assert version == "TLSv1.3"
    assert certificate["subjectAltName"]


def test_a_made_certificate_holds_for_no_other_name(certificates):
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificates(), certificates.client_context(), "other.example")


def test_only_who_was_given_the_authority_trusts(certificates):
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificates(), Certificates().client_context(), "localhost")


def test_everybody_gets_the_same():
    certificates, got = Certificates(), []
    threads = [threading.Thread(target=lambda: got.append((certificates(), certificates.ca_pem))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(got)) == 1
    assert got[0][1].startswith("-----BEGIN CERTIFICATE-----")


def test_ones_own_certificate(tmp_path):
    authority = trustme.CA()
    leaf = authority.issue_cert("own.example")
    cert, key, both = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "both.pem"
    leaf.cert_chain_pems[0].write_to_path(cert)
    leaf.private_key_pem.write_to_path(key)
    leaf.private_key_and_cert_chain_pem.write_to_path(both)
    for certificates in (Certificates(cert_file=cert, key_file=key), Certificates(cert_file=str(both))):
        assert handshake(certificates(), certificates.client_context(), "own.example")
        assert certificates.ca_pem.strip() == leaf.cert_chain_pems[0].bytes().decode().strip()
        assert "PRIVATE" not in certificates.ca_pem


def test_files_that_do_not_fit(tmp_path):
    authority = trustme.CA()
    cert, key, junk = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "junk.pem"
    authority.issue_cert("a.example").cert_chain_pems[0].write_to_path(cert)
    authority.issue_cert("b.example").private_key_pem.write_to_path(key)
    junk.write_text("nothing")
    for given in ((cert, key), (junk, key), (cert, None)):
        with pytest.raises(ConfigError, match="do not fit"):
            Certificates(cert_file=given[0], key_file=given[1])()
    with pytest.raises(ConfigError, match="cannot be read"):
        Certificates(cert_file=tmp_path / "absent.pem")
    with pytest.raises(ConfigError, match="tls_key needs tls_cert"):
        Certificates(key_file=key)


# ---------------------------------------------------------------- what is imported when


def test_nothing_heavy_is_imported_before_it_is_used():
    code = (
        "import sys, mailtrap.net.driver, mailtrap.net.http, mailtrap.net.certificates, mailtrap.net.listeners\n"
        "print([name for name in ('werkzeug', 'flask', 'trustme', 'cryptography', 'sqlite3') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"

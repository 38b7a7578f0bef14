"""The layers without sockets: whatever the pieces, the octets are the same."""

import ssl
import zlib
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailtrap import limits
from mailtrap.net.certificates import Certificates
from mailtrap.net.deflate import DeflateLayer
from mailtrap.net.pipe import Pipe
from mailtrap.net.shaping import Shaper, Throttle
from mailtrap.net.tls import TLSLayer
from mailtrap.wire.steps import Shape

pieces = st.lists(st.binary(max_size=300), max_size=12)
relaxed = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def split(data, cuts):
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[begin:end] for begin, end in pairwise(edges)]


class TLSClient:
    """A client's TLS over memory, by Python's own ssl."""

    def __init__(self, context, name="mail.example"):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)
        self.shaken = False

    def step(self):
        """Handshake or read as far as it goes: what was read."""
        read = b""
        try:
            if not self.shaken:
                self.object.do_handshake()
                self.shaken = True
            while piece := self.object.read(65536):
                read += piece
        except ssl.SSLWantReadError:
            pass
        return read


def shake(client, give, take):
    for _ in range(5):
        client.step()
        if data := client.outgoing.read():
            give(data)
        client.incoming.write(take())
    assert client.shaken


# ---------------------------------------------------------------- deflate


@given(said=pieces, heard=pieces, cuts=st.lists(st.integers(0, 5000), max_size=8))
@relaxed
def test_deflate_round_trip(said, heard, cuts):
    layer, deflate, inflate = DeflateLayer(), zlib.compressobj(wbits=-15), zlib.decompressobj(-15)
    for piece in said:  # each piece can be read at once
        assert inflate.decompress(layer.outbound(piece)) == piece
    wire = b"".join(deflate.compress(piece) + deflate.flush(zlib.Z_SYNC_FLUSH) for piece in heard)
    assert b"".join(map(layer.inbound, split(wire, cuts))) == b"".join(heard)
    assert not layer.failed
    assert not layer.pending


def test_a_deflate_bomb_unfolds_piece_by_piece():
    deflate = zlib.compressobj(wbits=-15)
    bomb = deflate.compress(bytes(20 * limits.MB)) + deflate.flush(zlib.Z_SYNC_FLUSH)
    layer = DeflateLayer()
    sizes = [len(layer.inbound(bomb))]
    while layer.pending:
        sizes.append(len(layer.inbound(b"")))
    assert sum(sizes) == 20 * limits.MB
    assert max(sizes) <= limits.RECEIVE_BUFFER


@pytest.mark.parametrize("data", [b"\xff" * 20, b"A1 NOOP\r\n" * 3, zlib.compressobj(wbits=-15).flush() + b"more"])
def test_what_is_not_deflate(data):
    layer = DeflateLayer()
    assert layer.inbound(data) == b""
    if layer.pending:  # behind the end of the stream; that the layer goes would be no failure
        assert layer.left() == b"more"
        assert layer.inbound(b"") == b""
    assert layer.failed
    assert not layer.pending
    assert layer.inbound(b"x") == b""


# ---------------------------------------------------------------- TLS


@given(said=pieces, heard=pieces, cuts=st.lists(st.integers(0, 9000), max_size=8))
@relaxed
def test_tls_round_trip(certificates, said, heard, cuts):
    layer, client = TLSLayer(certificates()), TLSClient(certificates.client_context())

    def give(data):
        for piece in split(data, cuts):
            assert layer.inbound(piece) == b""

    shake(client, give, layer.output)
    for piece in heard:
        if piece:
            client.object.write(piece)
    assert b"".join(map(layer.inbound, split(client.outgoing.read(), cuts))) == b"".join(heard)
    for piece in said:
        client.incoming.write(layer.outbound(piece))
    assert client.step() == b"".join(said)
    assert not layer.failed


def test_what_tls_agreed_on(certificates):
    layer, client = TLSLayer(certificates()), TLSClient(certificates.client_context())
    assert layer.established is None
    shake(client, layer.inbound, layer.output)
    assert layer.established.version == client.object.version() == "TLSv1.3"
    assert layer.established.cipher == client.object.cipher()[0]
    assert layer.established.server_name == "mail.example"
    assert layer.established.client_certificate is None


def test_the_certificate_has_a_common_name_for_clients_that_ask_for_one(certificates):
    layer, client = TLSLayer(certificates()), TLSClient(certificates.client_context())
    shake(client, layer.inbound, layer.output)
    certificate = client.object.getpeercert()
    assert (("commonName", "localhost"),) in certificate["subject"]
    assert {name for _, name in certificate["subjectAltName"]} >= {"localhost", "127.0.0.1", "mail.example"}


def test_no_server_name(certificates):
    context = certificates.client_context()
    context.check_hostname = False
    layer, client = TLSLayer(certificates()), TLSClient(context, None)
    shake(client, layer.inbound, layer.output)
    assert layer.established.server_name is None


def test_tls_1_2(certificates):
    context = certificates.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    layer, client = TLSLayer(certificates()), TLSClient(context)
    shake(client, layer.inbound, layer.output)
    assert layer.established.version == "TLSv1.2"


def test_a_context_with_a_callback_of_its_own_keeps_it():
    asked = []
    context = Certificates()()
    context.sni_callback = lambda connection, name, context: asked.append(name)
    for _ in range(2):
        client_context = ssl.create_default_context()
        client_context.check_hostname, client_context.verify_mode = False, ssl.CERT_NONE
        layer = TLSLayer(context)
        shake(TLSClient(client_context, "a.example"), layer.inbound, layer.output)
        assert layer.established.server_name == "a.example"
    assert asked == ["a.example"] * 2


@pytest.mark.parametrize(
    "data", [b"EHLO x\r\n", b"\x16\x03\x01\x00\x05hello", b"\x16" * 5000, b"GET / HTTP/1.0\r\n\r\n"]
)
def test_bad_handshakes_raise_nothing(certificates, data):
    layer = TLSLayer(certificates())
    assert layer.inbound(data) == b""
    assert layer.failed.startswith("TLS failed: ")
    assert layer.inbound(data) == b""
    layer.outbound(b"into the void")
    assert layer.close() == b""


def test_damage_after_the_handshake(certificates):
    layer, client = TLSLayer(certificates()), TLSClient(certificates.client_context())
    shake(client, layer.inbound, layer.output)
    client.object.write(b"hello")
    data = bytearray(client.outgoing.read())
    data[-1] ^= 1
    assert layer.inbound(bytes(data)) == b""
    assert layer.failed


def test_goodbye(certificates):
    layer, client = TLSLayer(certificates()), TLSClient(certificates.client_context())
    shake(client, layer.inbound, layer.output)
    with pytest.raises(ssl.SSLWantReadError):
        client.object.unwrap()
    assert layer.inbound(client.outgoing.read()) == b""
    assert layer.ended
    assert not layer.failed
    # RFC 8446, 6.1: the other direction goes on
    client.incoming.write(layer.outbound(b"last words") + layer.close())
    assert client.object.read(100) == b"last words"
    with pytest.raises(ssl.SSLZeroReturnError):
        client.object.read(100)


def test_a_ragged_end(certificates):
    layer, client = TLSLayer(certificates()), TLSClient(certificates.client_context())
    shake(client, layer.inbound, layer.output)
    layer.end_of_input()
    assert layer.ended
    client.incoming.write(layer.outbound(b"still heard"))
    assert client.step() == b"still heard"


# ---------------------------------------------------------------- shaping


@given(
    data=st.binary(min_size=1, max_size=3000),
    rate=st.floats(1, 50_000),
    puts=st.lists(st.integers(0, 3000), max_size=5),
)
@relaxed
def test_a_throttle_takes_its_time_and_loses_nothing(data, rate, puts):
    throttle = Throttle()
    throttle.rate = rate
    for piece in split(data, puts):
        throttle.put(piece)
    now, got, looks = 50.0, throttle.take(50.0), 0
    assert got == b""
    while (due := throttle.due) is not None:
        now = max(now, due)
        piece = throttle.take(now)
        assert piece  # it is never asked in vain
        got += piece
        looks += 1
    assert got == data
    assert now - 50.0 == pytest.approx(len(data) / rate, rel=0.02, abs=1e-3)
    assert looks <= len(data)


def test_credit_does_not_pile_up():
    throttle = Throttle()
    throttle.rate = 100
    throttle.put(b"x")
    throttle.take(0.0)
    throttle.take(1.0)
    throttle.put(b"y" * 1000)
    assert len(throttle.take(1000.0)) <= 5


def test_no_octets_a_second_is_for_ever():
    throttle = Throttle()
    throttle.rate = 0.0
    throttle.put(b"x")
    assert throttle.take(0.0) == throttle.take(1e9) == b""
    assert throttle.due is None


def pass_out(shaper, data, cuts=()):
    out = b""
    for piece in split(data, cuts):
        shaper.outward.put(piece)
        out += shaper.outbound(0.0)
    return out


def pass_in(shaper, data, cuts=()):
    out = b""
    for piece in split(data, cuts):
        shaper.inward.put(piece)
        out += shaper.inbound(0.0)
    return out


@given(data=st.binary(max_size=200), limit=st.integers(1, 250), cuts=st.lists(st.integers(0, 200), max_size=5))
@relaxed
def test_exactly_so_many_octets_pass(data, limit, cuts):
    for way in (pass_in, pass_out):
        shaper = Shaper()
        shaper.add(Shape(disconnect_after=limit, reset=True))
        assert way(shaper, data, cuts) == data[:limit]
        assert shaper.cut is shaper.reset is (len(data) >= limit)


@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=5), limit=st.integers(0, 300))
@relaxed
def test_truncated_and_garbled(data, cuts, limit):
    shaper = Shaper()
    shaper.add(Shape(truncate=limit))
    assert pass_out(shaper, data, cuts) == data[:limit]
    assert pass_in(shaper, data, cuts) == data
    assert not shaper.cut
    shaper = Shaper()
    shaper.add(Shape(garble=True))
    garbled = pass_out(shaper, data, cuts)
    assert [place for place in range(len(data)) if data[place] != garbled[place]] == list(range(0, len(data), 64))
    assert pass_in(shaper, data, cuts) == data


def test_shapes_combine():
    shaper = Shaper()
    shaper.add(Shape(garble=True))
    shaper.add(Shape(bytes_per_second=1000))
    assert pass_out(shaper, b"") == b""
    shaper.add(Shape(disconnect_after=100))
    shaper.add(Shape(bytes_per_second=10_000))
    shaper.outward.put(bytes(300))
    got, now = b"", 0.0
    shaper.outbound(now)
    while shaper.due is not None:
        now = shaper.due
        got += shaper.outbound(now)
    assert len(got) == 100
    assert got[0] == 0x20
    assert now == pytest.approx(0.1)
    assert shaper.cut
    assert not shaper.reset


# ---------------------------------------------------------------- the pipe


@given(
    said=pieces, heard=pieces, cuts=st.lists(st.integers(0, 9000), max_size=8), tls=st.booleans(),
    deflate=st.booleans(), shaped=st.booleans(),
)  # fmt: skip
@relaxed
def test_all_layers_at_once(certificates, said, heard, cuts, tls, deflate, shaped):
    pipe = Pipe()
    if shaped:
        pipe.shape(Shape(disconnect_after=10_000_000))

    def give(data):
        received = b""
        for piece in split(data, cuts):
            pipe.from_wire(piece)
            received += pipe.to_session(0.0)
            while pipe.pending:
                received += pipe.to_session(0.0)
        return received

    client = TLSClient(certificates.client_context())
    if tls:
        pipe.start_tls(certificates())
        shake(client, give, lambda: pipe.to_wire(0.0))
    out, back = zlib.compressobj(wbits=-15), zlib.decompressobj(-15)
    if deflate:
        pipe.start_deflate(b"")
    wire = b""
    for piece in heard:
        data = out.compress(piece) + out.flush(zlib.Z_SYNC_FLUSH) if deflate else piece
        if tls and data:
            client.object.write(data)
            data = client.outgoing.read()
        wire += data
    assert give(wire) == b"".join(heard)
    got = b""
    for piece in said:
        pipe.from_session(piece)
        got += pipe.to_wire(0.0)
    if tls:
        client.incoming.write(got)
        got = client.step()
    assert (back.decompress(got) if deflate else got) == b"".join(said)
    assert pipe.failed == ""
    assert pipe.unsent == pipe.unread == 0
    assert not pipe.ended
    pipe.wire_ended()
    pipe.to_session(0.0)
    assert pipe.ended


def test_held_input_waits():
    pipe = Pipe()
    pipe.held = True
    pipe.from_wire(b"\x16rest")
    assert pipe.to_session(0.0) == b""
    assert pipe.first == 0x16
    assert pipe.unread == 5
    pipe.drop_input()
    assert pipe.first is None

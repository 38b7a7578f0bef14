"""POP3 (RFC 1939) with CAPA (RFC 2449), AUTH (RFC 5034), STLS (RFC 2595), response codes (RFC 3206), UTF8 and LANG
(RFC 6856).

Invariants: message numbers never change in a session; nothing is deleted but at QUIT; LIST and STAT say the octets that
RETR sends; every command gets exactly one reply, and no reply contains what the client sent.
"""

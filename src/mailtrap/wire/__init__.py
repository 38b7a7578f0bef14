"""What the protocols share. No sockets, threads, databases or event loops here."""

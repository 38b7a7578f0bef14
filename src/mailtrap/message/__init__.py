"""What one mail is. No sockets, threads, databases or event loops here."""

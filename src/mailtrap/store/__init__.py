"""Where mail is: the contract (``base``), its test suite (``contract``) and the stores."""

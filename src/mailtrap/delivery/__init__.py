"""How mail gets into the store: intake, routing, accounts, refusals."""

"""What the benches share: the machine, the servers, the load, the tables. Python's standard library alone."""

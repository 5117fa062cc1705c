"""A real Kubernetes cluster for tests and demonstrations: `python3 -m tests.cluster COMMAND`, standard library only."""

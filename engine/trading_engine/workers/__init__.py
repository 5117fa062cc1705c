"""The five workers, one shape each: frozen `Deps` and `step(deps)` or `handle(deps, request)`. Ports only."""

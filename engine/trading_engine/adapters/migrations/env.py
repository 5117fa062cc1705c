"""Alembic's entry: runs the revisions on the connection that `sql_migrate` hands over, inside its transaction."""

from alembic import context

from trading_engine.adapters.sql_schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
)
context.run_migrations()

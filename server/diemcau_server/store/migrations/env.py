"""Runs the migrations on the connection that the server has opened."""

from alembic import context

from diemcau_server.store.tables import METADATA

context.configure(connection=context.config.attributes["connection"], target_metadata=METADATA)
with context.begin_transaction():
    context.run_migrations()

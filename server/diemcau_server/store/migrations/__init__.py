"""Migrations, applied at each start up to the newest."""

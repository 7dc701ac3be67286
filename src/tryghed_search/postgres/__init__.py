"""Reports in PostgreSQL with pgvector."""

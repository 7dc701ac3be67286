"""Semantic search over Danish reports: the report's own words, with citations."""

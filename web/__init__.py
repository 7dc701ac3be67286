"""What readers see: templates, static files and one file of strings per language."""

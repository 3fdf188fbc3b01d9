"""Records of a run become tables, figures and one HTML file. Nothing is measured here."""

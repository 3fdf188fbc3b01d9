"""The page that segments photos in a browser: its sources, its engine, and the way to a folder."""

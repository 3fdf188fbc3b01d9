"""The page beside onnxruntime-web, in one browser, which ``browser`` drives for tests, too."""

"""The accepted form of a bundle behind HTTP: pictures in, masks out, on the device itself."""

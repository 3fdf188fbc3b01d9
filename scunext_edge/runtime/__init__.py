"""Running an exported model: numpy and one engine, never the training stack."""

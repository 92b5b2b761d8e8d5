"""What messages are made of: characters made visible, suggestions, and hints for common mistakes."""

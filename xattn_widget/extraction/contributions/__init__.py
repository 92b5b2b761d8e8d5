"""What each source position contributes to each target position, by methods that need the model."""

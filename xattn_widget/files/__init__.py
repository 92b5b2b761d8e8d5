"""Files that are written whole or not at all, and the formats that more than one layer writes."""

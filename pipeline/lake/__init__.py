"""Objects on S3: read and written whole, compressed, sealed with hashes, and checked for their form."""

"""Data from elsewhere than the source: vendors' files, classified reviews, risk scores, purchases."""

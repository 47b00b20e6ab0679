"""mitmweb with the addon, in a browser."""

"""What makes an app use the interceptor: its proxy, its CAs, and where it must, its network."""

"""What attacks are made with: costs as ratios, packed bytes, other users of this machine."""

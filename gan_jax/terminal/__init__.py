"""What every program at a terminal needs: lasting streams, flags anywhere, other programs' words."""

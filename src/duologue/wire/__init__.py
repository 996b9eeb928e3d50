"""What goes over the wire: typed messages as JSON text, sound as binary frames. No I/O."""

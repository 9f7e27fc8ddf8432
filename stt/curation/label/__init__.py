"""Machine labels: texts that a network recognizes, with calibrated confidences, of which the likely ones are kept."""

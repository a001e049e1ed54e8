"""Controls that count: no gradients."""

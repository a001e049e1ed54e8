"""Adversarial games over tokens, and the likelihood that they begin as."""

"""Thousands of pictures: many processes or machines, resumed, with one row per picture."""
